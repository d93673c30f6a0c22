"""Listening for the peer's connection, and blocking calls of other libraries in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import pytest

import noidchecks
from noidchecks.address import AF_UNSPEC, STREAM
from noidchecks.dialogue import Accept, Dialogue, Listen, LocalAddress, Receive, Resolve, Run, Send, open_stream
from noidchecks.errors import DeadlineExceeded, LocalError, PeerError
from tests.conftest import Check, NewPeer
from tests.drivers.talk import TalkProbe
from tests.fakes.peers import await_text
from tests.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_the_peer_connects_to_us(check: Check, host: str) -> None:
    def active() -> Dialogue[tuple[bytes, bool]]:
        (local,) = yield Resolve(host, 0, AF_UNSPEC, STREAM)
        listener = yield Listen(local)
        stream = yield from open_stream(host, listener.address.port, AF_UNSPEC)
        yield Send(stream.channel, b"data")
        accepted = yield Accept(listener)
        mine = yield LocalAddress(stream.channel)
        return (yield Receive(accepted)), accepted.address == mine

    assert check(TalkProbe(active)).facts["found"] == (b"data", True)


def test_nobody_connects_to_us(check: Check, host: str) -> None:
    def active() -> Dialogue[object]:
        (local,) = yield Resolve(host, 0, AF_UNSPEC, STREAM)
        return (yield Accept((yield Listen(local)), patience=0.1))

    assert check(TalkProbe(active)).facts["found"] is None


def test_a_taken_port_is_passed_over_and_no_free_one_is_our_trouble(check: Check, host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        port = taken.getsockname()[1]

        def listening(last: int) -> Callable[[], Dialogue[int]]:
            def active() -> Dialogue[int]:
                (local,) = yield Resolve(host, 0, AF_UNSPEC, STREAM)
                listener = yield Listen(local, (port, last))
                number: int = listener.address.port
                return number

            return active

        assert check(TalkProbe(listening(min(port + 50, 65535)))).facts["found"] != port
        failed = check(TalkProbe(listening(port)))
        assert isinstance(failed.failure, LocalError)
        assert "Address already in use" in failed.text


def test_a_blocking_call_returns_or_raises(check: Check) -> None:
    def refuse() -> None:
        raise PeerError("no", expected="yes", received="no")

    def calling() -> Dialogue[tuple[object, bool]]:
        name = yield Run(lambda: threading.current_thread().name, lambda: None)
        with pytest.raises(PeerError):
            yield Run(refuse, lambda: None)
        return name, name != threading.current_thread().name

    found = check(TalkProbe(calling)).facts["found"]
    assert isinstance(found, tuple)
    assert found[1]


def test_the_deadline_stops_a_blocking_call(check: Check, new_peer: NewPeer) -> None:
    peer = new_peer(await_text(b"never"))
    sock = socket.create_connection((peer.host, peer.port))

    def calling() -> Dialogue[None]:
        yield Run(lambda: sock.recv(1), lambda: sock.shutdown(socket.SHUT_RDWR))

    with sock:
        result = check(TalkProbe(calling, timeout=0.2))
        assert isinstance(result.failure, DeadlineExceeded)


async def test_a_cancelled_task_stops_a_blocking_call() -> None:
    stopped = threading.Event()

    def calling() -> Dialogue[None]:
        yield Run(lambda: stopped.wait(LONG), stopped.set)

    task = asyncio.create_task(noidchecks.check_async(TalkProbe(calling)))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()
