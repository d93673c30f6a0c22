"""What the tests of the drivers share: names that resolve to what a test wants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from noidchecks.address import Address
from noidchecks.drivers import resolver
from tests.support.talk import Names


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """What names resolve to, in place of the machine's resolver; literals resolve as ever."""
    known: Names = {}

    def addresses(name: bytes, port: int, family: int, kind: int) -> tuple[Address, ...]:
        return known[name]()

    monkeypatch.setattr(resolver, "_addresses", addresses)
    return known  # type: ignore[return-value]  # a plain value is a fixture too
