"""Users of this machine, and how PAM lets them in; they exist in the mount namespace of integration/run alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

FIRST_ID = 61_000
"""Above what Debian gives to users, below what it gives to containers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user with a password, which has to be changed when it is expired, and a home."""

    name: str
    password: str
    home: Path
    uid: int = FIRST_ID
    expired: bool = False


@contextmanager
def accounts(folder: Path, *wanted: Account) -> Iterator[None]:
    """Lets the machine know these users, by copies of passwd and shadow that are mounted over them."""
    added = {"passwd": "", "shadow": ""}
    for account in wanted:
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", account.password], capture_output=True, text=True, check=True
        ).stdout.strip()
        added["passwd"] += f"{account.name}:x:{account.uid}:65534::{account.home}:/bin/sh\n"
        added["shadow"] += f"{account.name}:{hashed}:{0 if account.expired else 19000}:0:99999:7:::\n"
    with ExitStack() as stack:
        for name, lines in added.items():
            real, copy = Path("/etc", name), folder / name
            # The first line of a name counts: an account of another fixture may have it.
            copy.write_text(lines + real.read_text())
            copy.chmod(real.stat().st_mode & 0o777)
            stack.enter_context(_in_place_of(real, copy))
        yield


@contextmanager
def passwords_through_pam(folder: Path) -> Iterator[None]:
    """Has PAM let into sshd whom shadow knows, and nothing else that this machine wants of a login."""
    service = folder / "pam"
    service.write_text("".join(f"{kind} required pam_unix.so\n" for kind in ("auth", "account", "password", "session")))
    with _in_place_of(Path("/etc/pam.d/sshd"), service):
        yield


@contextmanager
def _in_place_of(real: Path, copy: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", copy, real], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", real], check=True)
