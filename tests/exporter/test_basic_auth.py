"""Basic authentication: which passwords are hashed, and which are known."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter

import pytest

from noidchecks.exporter import basic_auth
from noidchecks.exporter.basic_auth import BasicAuth
from noidchecks.exporter.errors import RequestError

USERS = {"monitor": b"a hash"}


def field(password: str) -> str:
    return f"Basic {base64.b64encode(f'monitor:{password}'.encode()).decode()}"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often each password was hashed."""
    found: Counter[bytes] = Counter()

    def matches(password: bytes, expected: bytes) -> bool:
        found[password] += 1
        return password == b"right"

    monkeypatch.setattr(basic_auth, "_matches", matches)
    return found


async def test_a_pair_is_hashed_once_though_many_ask_at_the_same_time(hashed: Counter[bytes]) -> None:
    auth = BasicAuth(20)
    assert all(await asyncio.gather(*(auth.accepts(field("right"), USERS) for _ in range(20))))
    assert hashed == {b"right": 1}


async def test_wrong_passwords_make_no_right_one_wait(hashed: Counter[bytes]) -> None:
    auth = BasicAuth(20)
    assert await auth.accepts(field("right"), USERS)
    for number in range(300):
        assert not await auth.accepts(field(str(number)), USERS)
    assert await auth.accepts(field("right"), USERS)
    assert hashed[b"right"] == 1


async def test_another_hash_in_the_file_is_asked_again(hashed: Counter[bytes]) -> None:
    auth = BasicAuth(20)
    assert await auth.accepts(field("right"), USERS)
    assert await auth.accepts(field("right"), {"monitor": b"another"})
    assert hashed[b"right"] == 2


async def test_one_that_finds_too_many_before_it_does_not_wait(hashed: Counter[bytes]) -> None:
    """Each that waits holds the place of a client."""
    auth = BasicAuth(20)
    assert await auth.accepts(field("right"), USERS)
    waiting = [asyncio.create_task(auth.accepts(field(str(number)), USERS)) for number in range(20)]
    await asyncio.sleep(0)
    with pytest.raises(RequestError, match="too many passwords") as refusal:
        await auth.accepts(field("another"), USERS)
    assert refusal.value.status == 503
    assert await auth.accepts(field("right"), USERS)
    assert not any(await asyncio.gather(*waiting))
    assert not await auth.accepts(field("another"), USERS)
    assert sum(hashed.values()) == 22
