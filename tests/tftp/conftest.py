"""Servers and canaries for the tests of TFTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.tftp import Script, Server
from tests.support.tftp_serving import CANARY, Serve


@pytest.fixture
def serve(host: str) -> Iterator[Serve]:
    """Starts TFTP servers on the family under test."""
    started: list[Server] = []

    def start(script: Script, *, lose: int = 0) -> Server:
        started.append(Server(script, host, lose=lose))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the contents of canaries from the test."""
    monkeypatch.setattr("noidchecks.tftp.steps.urandom", lambda size: (CANARY * (size // len(CANARY) + 1))[:size])
