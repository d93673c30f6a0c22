"""Users of this machine, for servers that look them up; they exist in the mount namespace of integration/run alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FIRST_ID = 61_000
"""Above what Debian gives to users, below what it gives to containers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user with a password, and a home."""

    name: str
    password: str
    home: Path
    uid: int = FIRST_ID


@contextmanager
def accounts(folder: Path, *wanted: Account) -> Iterator[None]:
    """Lets the machine know these users, by copies of passwd and shadow that are mounted over them."""
    added = {"passwd": "", "shadow": ""}
    for account in wanted:
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", account.password], capture_output=True, text=True, check=True
        ).stdout.strip()
        added["passwd"] += f"{account.name}:x:{account.uid}:65534::{account.home}:/bin/sh\n"
        added["shadow"] += f"{account.name}:{hashed}:19000:0:99999:7:::\n"
    mounted = []
    try:
        for name, lines in added.items():
            real, copy = Path("/etc", name), folder / name
            # The first line of a name counts: an account of another fixture may have it.
            copy.write_text(lines + real.read_text())
            copy.chmod(real.stat().st_mode & 0o777)
            subprocess.run(["mount", "--bind", copy, real], check=True)
            mounted.append(real)
        yield
    finally:
        for real in mounted:
            subprocess.run(["umount", real], check=True)
