"""The deadline of a session: whatever is waited for ends at it, under both drivers."""

from __future__ import annotations

import socket

import pytest

from noidchecks import DeadlineExceeded, ProbeError, State
from noidchecks.address import AF_INET, AF_INET6, DATAGRAM
from noidchecks.dialogue.operations import (
    Close,
    Dialogue,
    OpenDatagram,
    Phase,
    Receive,
    ReceiveFrom,
    Send,
    SendTo,
    Sleep,
)
from tests.conftest import Check, NewPeer
from tests.support.peers import endless, silent
from tests.support.talk import TalkProbe, address_of, found, open_to
from tests.support.waiting import DEADLINES

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_the_deadline_is_critical_and_names_the_phase(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(silent)

    def dialogue() -> Dialogue[bytes | None]:
        stream = yield from open_to(host, peer.port)
        yield Phase("greeting")
        return (yield from stream.receive())

    for timeout in DEADLINES:
        result = check(TalkProbe(dialogue, timeout=timeout))
        if result.timings.phases.get("greeting"):
            break
    assert result.state == State.CRITICAL
    assert result.text == f"TALK CRITICAL - Socket timeout after {timeout:g} seconds"
    assert isinstance(result.failure, DeadlineExceeded)
    assert result.failure.phase == "greeting"
    assert result.failure.seconds == timeout
    assert result.timings.total >= timeout


@pytest.mark.parametrize("operation", ["sleep", "patience", "send", "endless", "connect"])
def test_the_deadline_ends_whatever_is_waited_for(check: Check, new_peer: NewPeer, host: str, operation: str) -> None:
    def dialogue() -> Dialogue[object]:
        if operation == "sleep":
            yield Sleep(20)
        if operation == "connect":
            yield from open_to(host, crowded)
        stream = yield from open_to(host, peer.port)
        if operation == "patience":
            yield from stream.receive(patience=20)
        while True:
            if operation == "send":
                yield from stream.send(b"x" * 100_000)
            yield from stream.receive()

    peer = new_peer(endless(b"y" * 10_000) if operation == "endless" else silent)
    # With its queue full, and nobody to accept, the kernel ignores whoever connects.
    with socket.socket(AF_INET6 if ":" in host else AF_INET) as listener:
        listener.bind((host, 0))
        listener.listen(0)
        crowded = listener.getsockname()[1]
        with socket.create_connection((host, crowded)):
            result = check(TalkProbe(dialogue, timeout=0.05))
    assert isinstance(result.failure, DeadlineExceeded)
    assert 0.05 <= result.timings.total < 15


def test_the_deadline_is_thrown_into_the_dialogue(check: Check) -> None:
    def dialogue() -> Dialogue[str]:
        try:
            yield Sleep(20)
        except DeadlineExceeded:
            return "tidied up"
        return "never"

    assert found(check(TalkProbe(dialogue, timeout=0.05))) == "tidied up"


def test_after_the_deadline_every_operation_is_refused(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[int]:
        stream = yield from open_to(host, peer.port)
        refused = 0
        operations = (Sleep(20), Phase("x"), Send(stream.channel, b"QUIT"), Receive(stream.channel), Sleep(0))
        for operation in (*operations, Close(stream.channel)):
            try:
                yield operation
            except DeadlineExceeded:
                refused += 1
        return refused

    for timeout in DEADLINES:
        result = check(TalkProbe(dialogue, timeout=timeout))
        if result.ok:
            break
    assert found(result) == 6
    peer.settle()
    assert set(peer.received) == {b""}


def test_a_dialogue_that_goes_on_after_its_deadline_is_defective(check: Check) -> None:
    refused = 0

    def dialogue() -> Dialogue[None]:
        nonlocal refused
        while True:
            try:
                yield Sleep(20)
            except ProbeError:
                refused += 1

    with pytest.raises(RuntimeError, match="goes on after its deadline"):
        check(TalkProbe(dialogue, timeout=0.02))
    assert refused == 16


def test_a_dialogue_whose_farewells_never_end_is_defective(check: Check, host: str) -> None:
    with socket.socket(AF_INET6 if ":" in host else AF_INET, DATAGRAM) as peer:
        peer.bind((host, 0))
        address = address_of(host, peer.getsockname()[1])

        def dialogue() -> Dialogue[None]:
            channel = yield OpenDatagram(address.family)
            try:
                yield ReceiveFrom(channel)
            except DeadlineExceeded:
                pass
            for _ in range(1000):
                yield SendTo(channel, b"bye", address)

        with pytest.raises(RuntimeError, match="goes on after its deadline"):
            check(TalkProbe(dialogue, timeout=0.05))
