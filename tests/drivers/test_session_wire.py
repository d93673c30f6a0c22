"""What a session owes to others: the loop to the other sessions, and a last word to its peer."""

from __future__ import annotations

import os
import select
import socket
import time

import pytest

from noidchecks.address import AF_INET, AF_UNSPEC, STREAM, Address
from noidchecks.dialogue.operations import (
    Connect,
    Dialogue,
    OpenDatagram,
    Phase,
    ReceiveFrom,
    ReserveTime,
    Resolve,
    SendTo,
    Sleep,
)
from noidchecks.drivers.session import Session
from noidchecks.drivers.sockets import WAIT_READ
from noidchecks.errors import DeadlineExceeded, NotConnected
from tests.conftest import Check, NewPeer
from tests.support.peers import unused_port
from tests.support.talk import TalkProbe, open_to
from tests.support.waiting import LONG


def test_a_dialogue_that_never_has_to_wait_gives_the_loop_back() -> None:
    def busy() -> Dialogue[None]:
        for number in range(1000):
            yield Phase(str(number % 7))

    session = Session(busy(), 10)
    turns = 0
    while session.advance():
        turns += 1
        assert session.fd == -1
    assert 10 <= turns <= 100
    assert session.failure is None


def test_a_dialogue_that_reads_long_answers_gives_the_loop_back_earlier() -> None:
    def slow() -> Dialogue[None]:
        for _ in range(20):
            yield Phase("read")
            time.sleep(0.005)

    session = Session(slow(), LONG)
    turns = 0
    while session.advance():
        turns += 1
    assert 9 <= turns <= 20


@pytest.mark.parametrize("is_answered", [True, False])
def test_what_has_arrived_is_taken_however_late_the_loop_is(new_peer: NewPeer, host: str, is_answered: bool) -> None:
    peer = new_peer(b"ready") if is_answered else new_peer()
    late = 0.0
    heard: list[bytes | None] = []

    def dialogue() -> Dialogue[None]:
        stream = yield from open_to(host, peer.port)
        yield Phase("answer")
        heard.append((yield from stream.receive()))
        # What is asked for only now is not performed.
        heard.append((yield from stream.receive()))

    session = Session(dialogue(), LONG, clock=lambda: time.monotonic() + late)
    while session.advance():
        if session.events == WAIT_READ and session.fd >= 0:
            break
    if is_answered:
        assert select.select([session.fd], [], [], LONG)[0]
    late = 2 * LONG
    assert not session.advance()
    assert heard == ([b"ready"] if is_answered else [])
    assert isinstance(session.failure, DeadlineExceeded)
    assert session.failure.phase == "answer"


def test_after_the_deadline_a_farewell_is_still_sent(check: Check) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(LONG)
        address = Address(AF_INET, peer.getsockname())

        def polite() -> Dialogue[str]:
            channel = yield OpenDatagram(AF_INET)
            try:
                yield ReceiveFrom(channel)
            except DeadlineExceeded:
                yield SendTo(channel, b"farewell", address)
            return "left"

        result = check(TalkProbe(polite, timeout=0.1))
        assert result.facts["found"] == "left"
        assert peer.recv(100) == b"farewell"


def test_what_is_kept_in_reserve_is_for_tidying_up(check: Check) -> None:
    def careful() -> Dialogue[list[str]]:
        seen = []
        yield Phase("transfer")
        yield ReserveTime(1.4)
        try:
            yield Sleep(20)
        except DeadlineExceeded as early:
            seen.append(f"{early.message} ({early.phase})")
        yield Sleep(0.01)
        try:
            yield Sleep(20)
        except DeadlineExceeded:
            seen.append("over")
        return seen

    result = check(TalkProbe(careful, timeout=1.5))
    assert result.facts["found"] == ["Socket timeout after 1.5 seconds (transfer)", "over"]
    assert result.timings.total >= 1.5


def test_a_reserve_can_be_given_back(check: Check) -> None:
    def careful() -> Dialogue[str]:
        yield ReserveTime(LONG - 0.1)
        yield ReserveTime(0)
        yield Sleep(0.15)
        return "in time"

    assert check(TalkProbe(careful, timeout=LONG)).facts["found"] == "in time"


def test_without_a_deadline_nothing_is_kept(check: Check) -> None:
    def careful() -> Dialogue[str]:
        yield ReserveTime(1)
        yield Sleep(0.01)
        return "in time"

    assert check(TalkProbe(careful, timeout=0)).facts["found"] == "in time"


def test_a_refused_connection_is_closed_before_the_next_is_tried(check: Check, host: str) -> None:
    port = unused_port(host)

    def stubborn() -> Dialogue[int]:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            (address,) = yield Resolve(host, port, AF_UNSPEC, STREAM)
            with pytest.raises(NotConnected):
                yield Connect(address)
        return len(os.listdir("/proc/self/fd")) - before

    assert check(TalkProbe(stubborn)).facts["found"] == 0
