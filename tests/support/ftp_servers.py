"""What the tests of FTP behind the login share: servers to ask, what they hold, and how they are asked."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest

from noidchecks import Result
from tests.support.ftp import FtpServer

NewServer = Callable[..., FtpServer]
Ask = Callable[..., Result]
# Of the file hello.txt.
DIGEST = sha256(b"Hello, world.\n").hexdigest()


def passive(host: str) -> list[str]:
    """Returns the passive ways to a data connection at the host."""
    return ["EPSV"] if ":" in host else ["EPSV", "PASV"]


def active(host: str) -> list[str]:
    """Returns the active ways to a data connection at the host."""
    return ["EPRT"] if ":" in host else ["PORT", "EPRT"]


def canaries(server: FtpServer) -> list[str]:
    """Returns the names of the canaries that the server has kept."""
    return [name for name in server.files if "noidchecks" in name]


def wait_for_reasons(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Waits so long for what a server has to say of a data connection that has failed."""
    for module in ("data", "opening"):
        monkeypatch.setattr(f"noidchecks.ftp.{module}.REASON_PATIENCE", seconds)
