"""What a machine gets beside its image: the checkout, and the wheels that pip needs there without a network."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

PARTS = ("transfers", "service", "survey", "changes", "reboots")
"""What a machine can be told to prove after the quickstart, in this order."""

_ROOT = Path(__file__).parents[2]
_PLATFORMS = tuple(f"--platform=manylinux{tag}_x86_64" for tag in ("2014", "_2_17", "_2_28", "_2_34"))
# What the installation is made of.
_CHECKOUT = ("pyproject.toml", "README.md", "LICENSE", "noidchecks", "nagios", "lb", "docs", "tests", "integration")
# The build backend of pyproject.toml, which pip installs into an environment of its own.
_BUILD = ("hatchling",)


def pack(python: str, parts: Sequence[str], goal: Path) -> None:
    """Writes the tar archive for machines with this version of Python, such as "3.11"; needs PyPI."""
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "download", f"--dest={folder}"]
        download += ["--only-binary=:all:", f"--python-version={python}", "--implementation=cp", *_PLATFORMS]
        subprocess.run([*download, "click", "paramiko", "cryptography", *_BUILD], check=True)
        Path(folder, "parts").write_text(" ".join(parts))
        with tarfile.open(goal, "w") as archive:
            archive.add(folder, "wheels")
            for name in _CHECKOUT:
                if (_ROOT / name).exists():
                    archive.add(_ROOT / name, name, filter=_without_caches)
    # A disk consists of sectors.
    with goal.open("ab") as file:
        file.truncate(-(-goal.stat().st_size // 4096) * 4096)


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(member.name).name in ("__pycache__", ".cache", "bench") else member
