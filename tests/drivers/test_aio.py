"""Tests of what is only true of noidchecks.drivers.aio."""

from __future__ import annotations

import asyncio

import pytest

from noidchecks.dialogue.operations import Dialogue, Sleep
from noidchecks.drivers import aio
from noidchecks.drivers.session import Session
from tests.conftest import NewPeer
from tests.support.talk import open_to
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_the_loop_goes_on_while_a_session_waits() -> None:
    turns = 0

    def dialogue() -> Dialogue[int]:
        while turns <= 5:
            yield Sleep(0.02)
        return 7

    session = Session(dialogue(), LONG)
    task = asyncio.create_task(aio.run(session))
    while not task.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert session.value == 7


async def test_a_timeout_of_the_caller_ends_a_session(new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[None]:
        stream = yield from open_to(host, peer.port)
        yield from stream.receive()

    session = Session(dialogue(), 0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await aio.run(session)
    await asyncio.to_thread(peer.settle)
    assert session.timings.total >= 0.04
    # The thread of to_thread() is not the session's.
    await asyncio.get_running_loop().shutdown_default_executor()
