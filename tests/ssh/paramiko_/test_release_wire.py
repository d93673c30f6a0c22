"""A machine without a paramiko that will do is told what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noidchecks.ssh import paramiko_
from tests.support.ssh import HOLD, serve

SCRIPT = """
from noidchecks import SshProbe, check
result = check(SshProbe("127.0.0.1", port=PORT, fingerprints=("SHA256:" + "A" * 43,), timeout=60))
print(result.state.name, result.text)
"""


def said(port: int, folder: Path) -> str:
    """What a check of the host key says with the modules of this folder in front."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("PORT", str(port))],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("files", "lack"),
    [
        ({"paramiko.py": '__version__ = "2.12.0"'}, "2.12.0 is installed"),
        ({"paramiko.py": '__version__ = "3.4.1"'}, "3.4.1 is installed"),
        ({"paramiko.py": 'raise ModuleNotFoundError("no", name="paramiko")'}, "paramiko is not installed"),
        ({"paramiko.py": "import no_such_part"}, "no_such_part is not installed"),
    ],
)
def test_what_is_lacking_is_said(files: dict[str, str], lack: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with serve(b"SSH-2.0-OpenSSH_9.2\r\n", HOLD) as server:
        needed = "this check needs paramiko 3.5 or later"
        assert said(server.port, tmp_path) == f"UNKNOWN SSH UNKNOWN - {needed}, and {lack}\n"


def test_the_floor_is_that_of_the_package() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"paramiko>={paramiko_.OLDEST},' in text
