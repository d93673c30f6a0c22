"""What the tests of the drivers share: names that resolve to what a test wants."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

import noidchecks.resolve
from noidchecks.address import Address
from tests.support.talk import Names


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """What names resolve to, in place of the machine's resolver; literals resolve as ever."""
    known: Names = {}
    real = noidchecks.resolve._look_up

    def look_up(name: bytes, port: int, ask: int, kind: int, want: int, flags: int) -> tuple[Address, ...]:
        if flags & socket.AI_NUMERICHOST:
            return real(name, port, ask, kind, want, flags)
        return known[name]()

    monkeypatch.setattr(noidchecks.resolve, "_look_up", look_up)
    return known  # type: ignore[return-value]  # a plain value is a fixture too
