"""A real sshd with a user who may log in by password, and what his home holds, for the checks by SFTP."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from integration.accounts import FIRST_ID, Account, accounts
from integration.contract.compare import OURS
from integration.servers import SshServer, free_port, sshd

COMMAND = OURS / "check_sftp"
SFTP = "Subsystem sftp internal-sftp"
PASSWORD = "correct horse"
CONTENT = b"what lies on the server\n"


@dataclass(frozen=True, slots=True)
class Site:
    """An sshd where bob lives, with the words that name it and log bob in."""

    server: SshServer
    home: Path
    folder: Path

    def where(self, *words: str, host: str | None = None) -> list[str]:
        return [*words, "-p", str(self.server.port), "-H", host or self.server.host]

    def bob(self, *words: str, host: str | None = None) -> list[str]:
        login = ("--user", "bob", "--password-file", str(self.folder / "password"))
        return self.where(*login, *words, host=host)

    def fingerprint(self) -> str:
        said = subprocess.run(
            ["ssh-keygen", "-lf", self.server.host_key], capture_output=True, text=True, check=True
        ).stdout
        return said.split()[1]


@contextmanager
def site(folder: Path, *more: str, max_startups: str | None = None, expired: bool = False) -> Iterator[Site]:
    """Runs sshd with a user bob, whose home has a file and a folder that he may write to."""
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    (home / "in").mkdir()
    (home / "report.txt").write_bytes(CONTENT)
    for path in (home, home / "in"):
        os.chown(path, FIRST_ID, 65534)
    (home / "small").mkdir()
    # Before sshd starts, which has mounts of its own from then on.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=0777", "tmpfs", home / "small"], check=True)
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "server").mkdir()
    try:
        yield from _run(folder, home, more, max_startups, expired)
    finally:
        subprocess.run(["umount", home / "small"], check=True)


def _run(folder: Path, home: Path, more: tuple[str, ...], max_startups: str | None, expired: bool) -> Iterator[Site]:
    options = ("PasswordAuthentication yes", *more)
    with (
        accounts(folder, Account(name="bob", password=PASSWORD, home=home, expired=expired)),
        sshd(folder / "server", free_port(), more=options, sftp=False, max_startups=max_startups) as server,
    ):
        yield Site(server, home, folder)
