"""check() and check_async(): one probe under each driver."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

import noidchecks.drivers.resolver
from noidchecks import FtpProbe, PeerError, Result, State, Timings, check, check_async
from noidchecks.address import AF_INET, AF_INET6, Address
from noidchecks.dialogue.operations import Close, Dialogue, Phase, Sleep
from tests.conftest import Check, NewPeer
from tests.support.talk import TalkProbe, greeting_of, open_to

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_a_failure_becomes_a_result_of_its_state(check: Check) -> None:
    def dialogue() -> Dialogue[None]:
        yield Phase("greeting")
        raise PeerError("it said | no\nreally", expected="220", received=b"x")

    result = check(TalkProbe(dialogue))
    assert result.state == State.CRITICAL
    assert result.text == "TALK CRITICAL - it said   no really"
    assert isinstance(result.failure, PeerError)
    assert (result.failure.expected, result.failure.received) == ("220", b"x")
    assert str(result).startswith(f"{result.text}|time=")
    assert result.metrics[0].value == result.timings.total > 0


def test_a_transcript_is_kept_when_it_is_asked_for(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"220 a|b\r\n")
    probe = FtpProbe(host, port=peer.port)
    assert check(probe).transcript == ()
    lines = [line.split(" ", 1)[1] for line in check(probe, transcript=True).transcript]
    assert lines == [
        "-- resolve",
        f"resolve {host} port {peer.port}: {host}",
        "-- connect",
        f"connect [{host}]:{peer.port}" if ":" in host else f"connect {host}:{peer.port}",
        "-- greeting",
        "<: 9 bytes '220 a b\\r\\n'",
        "> 6 bytes 'QUIT\\r\\n'",
    ]


def test_a_transcript_is_kept_of_a_failure_too(check: Check) -> None:
    def dialogue() -> Dialogue[None]:
        yield Sleep(20)

    result = check(TalkProbe(dialogue, timeout=0.05), transcript=True)
    assert [line.split(" ", 1)[1] for line in result.transcript] == ["sleep 20 s: Socket timeout after 0.05 seconds"]


def test_a_defect_of_the_judgement_reaches_the_caller(check: Check) -> None:
    class Defective(TalkProbe):
        def judge(self, findings: Any, timings: Timings) -> Result:
            raise ZeroDivisionError("a defect")

    def dialogue() -> Dialogue[None]:
        yield Phase("x")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        check(Defective(dialogue))


def test_checks_of_one_loop_run_at_the_same_time(new_peer: NewPeer, host: str) -> None:
    peer = new_peer(0.2, b"x")

    async def main() -> list[Result]:
        return await asyncio.gather(*[check_async(TalkProbe(greeting_of(host, peer.port))) for _ in range(20)])

    assert all(result.ok for result in asyncio.run(main()))
    assert peer.most > 1


async def cancelled(dialogue: Callable[[], Dialogue[None]], waits: asyncio.Event) -> None:
    """Cancels a check as soon as its dialogue says that it waits."""
    task = asyncio.create_task(check_async(TalkProbe(dialogue)))
    await waits.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("where", ["resolve", "connect", "receive", "patience", "sleep", "send"])
def test_a_cancelled_check_leaves_nothing_behind(
    where: str, new_peer: NewPeer, host: str, nothing_left: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = new_peer(b"x", 30.0) if where == "send" else new_peer(b"x")
    waits = asyncio.Event()
    release: list[bool] = []
    real = noidchecks.drivers.resolver._addresses

    def slowly(name: bytes, port: int, family: int, kind: int) -> tuple[Address, ...]:
        while not release:
            time.sleep(0.002)
        return real(name, port, family, kind)

    monkeypatch.setattr(noidchecks.drivers.resolver, "_addresses", slowly)

    def dialogue() -> Dialogue[None]:
        if where == "resolve":
            waits.set()
            yield from open_to("localhost", peer.port)
        stream = yield from open_to(host, peer.port)
        if where == "connect":
            waits.set()
            yield from open_to(host, crowded)
        yield from stream.receive()
        waits.set()
        while where == "send":
            yield from stream.send(b"x" * 1_000_000)
        if where == "sleep":
            yield Sleep(20)
        yield from stream.receive(patience=20 if where == "patience" else None)

    # With its queue full, and nobody to accept, the kernel ignores whoever connects.
    with socket.socket(AF_INET6 if ":" in host else AF_INET) as listener:
        listener.bind((host, 0))
        listener.listen(0)
        crowded = listener.getsockname()[1]
        with socket.create_connection((host, crowded)):
            asyncio.run(cancelled(dialogue, waits))
    release.append(True)
    if where != "send":
        peer.settle()


def test_a_cancelled_check_that_tidies_up_leaves_nothing_behind(new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"x")
    waits = asyncio.Event()
    tidied: list[str] = []

    def dialogue() -> Dialogue[None]:
        stream = yield from open_to(host, peer.port)
        try:
            waits.set()
            yield Sleep(20)
        finally:
            tidied.append("begun")
            yield from stream.send(b"QUIT")
            yield Close(stream.channel)
            tidied.append("ended")

    asyncio.run(cancelled(dialogue, waits))
    peer.settle()
    assert tidied == ["begun"]


def test_the_plain_functions_are_what_the_fixtures_run() -> None:
    """A guard against fixtures that shadow the functions under test."""

    def dialogue() -> Dialogue[int]:
        return 1
        yield Phase("never")

    assert check(TalkProbe(dialogue)).facts["found"] == 1


def test_a_check_within_a_handler_leaves_the_exception_that_is_handled_as_it_is(check: Check) -> None:
    def dialogue() -> Dialogue[None]:
        yield Phase("greeting")
        raise PeerError("no", expected="220", received=b"x")

    def broken() -> Dialogue[None]:
        yield Phase("greeting")
        raise KeyError("x")

    def handle(failing: Callable[[], Dialogue[None]]) -> None:
        try:
            raise_for_the_caller()
        except ValueError:
            # A defective probe is the caller's mistake, and raises.
            with contextlib.suppress(KeyError):
                check(TalkProbe(failing))
            raise

    for failing in (dialogue, broken):
        with pytest.raises(ValueError, match="of the caller") as raised:
            handle(failing)
        assert [frame.name for frame in raised.traceback][-1] == "raise_for_the_caller"


def raise_for_the_caller() -> None:
    raise ValueError("of the caller")
