"""Tests of what is only true of noidchecks.drivers.aio."""

from __future__ import annotations

import asyncio
import errno
import os
import time

import pytest

from noidchecks import LocalError
from noidchecks.dialogue.operations import Dialogue, Sleep
from noidchecks.drivers import aio
from noidchecks.drivers.session import Session
from tests.conftest import NewPeer
from tests.support.hasty_loop import HastyLoop
from tests.support.talk import open_to
from tests.support.waiting import LONG, until_async

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


async def test_without_a_descriptor_to_wait_with_a_session_fails_as_one_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def dialogue() -> Dialogue[None]:
        yield Sleep(0)

    monkeypatch.setattr("select.epoll", refuse)
    session = Session(dialogue(), LONG)
    await aio.run(session)
    assert session.failure == LocalError("cannot wait for connections: Too many open files")
    monkeypatch.undo()
    # The next one finds nothing of it.
    await aio.run(session := Session(dialogue(), LONG))
    assert session.failure is None


async def test_an_end_is_reported_after_the_start() -> None:
    def dialogue() -> Dialogue[int]:
        return 7
        yield

    loop = aio.AsyncLoop()
    ended: list[Session] = []
    session = Session(dialogue(), LONG)
    loop.start(session, ended.append)
    assert not ended
    assert len(loop) == 1
    await asyncio.sleep(0)
    assert ended == [session]
    assert len(loop) == 0
    loop.close()


async def test_a_defect_of_one_caller_keeps_no_end_from_the_others() -> None:
    def dialogue() -> Dialogue[None]:
        yield Sleep(0.01)

    running, loop = asyncio.get_running_loop(), aio.AsyncLoop()
    defects: list[object] = []
    running.set_exception_handler(lambda _, context: defects.append(context["exception"]))
    ended: list[Session] = []

    def fail(_: Session) -> None:
        raise ValueError("a defect")

    # Both are over when the loop gets to run again.
    sessions = [Session(dialogue(), LONG) for _ in range(4)]
    for session, end in zip(sessions, (fail, ended.append, fail, ended.append), strict=True):
        loop.start(session, end)
    time.sleep(0.05)  # noqa: ASYNC251  # nothing else is to run
    await until_async(lambda: not loop)
    assert set(ended) == {sessions[1], sessions[3]}
    assert list(map(str, defects)) == ["a defect"] * 2
    loop.close()


async def test_a_cancelled_session_is_closed_and_not_reported() -> None:
    closed: list[int] = []

    def dialogue(number: int) -> Dialogue[None]:
        try:
            yield Sleep(0.01 if number else LONG)
        finally:
            closed.append(number)

    loop = aio.AsyncLoop()
    ended: asyncio.Queue[Session] = asyncio.Queue()
    sessions = [Session(dialogue(number), LONG) for number in range(3)]
    for session in sessions:
        loop.start(session, ended.put_nowait)
    loop.cancel(sessions[0])
    loop.cancel(sessions[1])
    assert closed == [0, 1]
    assert await ended.get() is sessions[2]
    assert ended.empty()
    loop.cancel(sessions[2])
    loop.close()


def test_a_timer_that_is_due_need_not_tell_its_time() -> None:
    ended: list[Session] = []

    def dialogue() -> Dialogue[None]:
        yield Sleep(0.05)

    async def run_both() -> None:
        loop = aio.AsyncLoop()
        for _ in range(2):
            loop.start(Session(dialogue(), LONG), ended.append)
        await until_async(lambda: not loop)
        loop.close()

    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        runner.run(run_both())
    assert len(ended) == 2


async def test_a_session_that_cannot_start_is_closed(new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[None]:
        stream = yield from open_to(host, peer.port)
        yield from stream.receive()

    def fail(*_: object) -> None:
        raise RuntimeError("no timer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "call_at", fail)
        with pytest.raises(RuntimeError, match="no timer"):
            await aio.run(Session(dialogue(), LONG))
    # Returns when the connection has ended.
    await asyncio.to_thread(peer.settle)
    await asyncio.get_running_loop().shutdown_default_executor()


def test_a_session_of_a_loop_that_was_closed_before_it_ended_is_closed_by_the_next() -> None:
    closed: list[str] = []

    def dialogue(name: str, seconds: float) -> Dialogue[None]:
        try:
            yield Sleep(seconds)
        finally:
            closed.append(name)

    kept: list[asyncio.Task[None]] = []

    async def leave() -> None:
        kept.append(asyncio.create_task(aio.run(Session(dialogue("left", LONG), LONG))))
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    # It complains of the task that is left.
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(leave())
    loop.close()
    assert not closed
    asyncio.run(aio.run(Session(dialogue("next", 0.0), LONG)))
    assert closed == ["left", "next"]
    assert not aio._SHARED
