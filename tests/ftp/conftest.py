"""Servers of FTP that misbehave as a test wants, and checks of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noidchecks import FtpProbe, Result
from tests.conftest import Check
from tests.support.certificates import Chain
from tests.support.ftp import Answer, FtpServer
from tests.support.ftp_servers import Ask, NewServer, wait_for_reasons
from tests.support.waiting import LONG


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the wait for the reason of a failure."""
    wait_for_reasons(monkeypatch, 2.0)


@pytest.fixture
def new_server(host: str) -> Iterator[NewServer]:
    """Starts FTP servers on the family under test; the answers are by verb."""
    started: list[FtpServer] = []

    def start(certificate: Path | None = None, **answers: Answer) -> FtpServer:
        started.append(FtpServer(host, answers, certificate))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def ask(check: Check) -> Ask:
    """Checks a server."""

    def checked(server: FtpServer, *, transcript: bool = False, **settings: Any) -> Result:
        probe = FtpProbe(server.host, port=server.port, **{"timeout": LONG} | settings)
        result = check(probe, transcript=transcript)
        assert str(result).count("|") == 1
        assert "\n" not in result.text
        return result

    return checked


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A chain of certificates that are valid for another 400 days."""
    return Chain(tmp_path_factory.mktemp("chain"), 400, 400)
