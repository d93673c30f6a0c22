"""Programs that are started in an environment by which their processes are found again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import noidchecks


def environment(temporary: Path) -> dict[str, str]:
    """Returns an environment with this folder for temporary files, in which a child imports what we import."""
    return {**os.environ, "PYTHONPATH": str(Path(noidchecks.__file__).parents[1]), "TMPDIR": str(temporary)}


def processes(temporary: Path) -> set[int]:
    """Returns the processes that run with this folder for temporary files."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"TMPDIR={temporary}".encode() in words:
                found.add(int(entry.name))
    return found


def run_alone(code: str, tmp_path: Path, *flags: str) -> str:
    """Runs a program that may import what we do, and returns what it printed."""
    paths = f"import sys; sys.path[:] = {sys.path!r}\n"
    command = [sys.executable, *flags, "-c", paths + code]
    ended = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
