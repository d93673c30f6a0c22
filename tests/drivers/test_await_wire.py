"""Waiting for the first of several channels, and connecting with patience: both drivers, both families."""

from __future__ import annotations

import pytest

from noidchecks import NotConnected
from noidchecks.dialogue.operations import Accept, Await, Close, Connect, Dialogue, Listen, LocalAddress
from tests.conftest import Check, NewPeer
from tests.support.peers import await_text, close
from tests.support.talk import TalkProbe, address_of, found, open_to

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize("first", [0, 1])
def test_the_first_channel_that_has_something_is_told(check: Check, new_peer: NewPeer, host: str, first: int) -> None:
    """Twice for the one that speaks, then for the end of the other; each is asked for it, so that no clock decides."""
    peers = [new_peer(await_text(b"go"), b"x" if number == first else close) for number in range(2)]

    def dialogue() -> Dialogue[list[object]]:
        streams = []
        for peer in peers:
            streams.append((yield from open_to(host, peer.port)))
        channels = tuple(stream.channel for stream in streams)
        told: list[object] = []
        yield from streams[first].send(b"go")
        told.append(channels.index((yield Await(channels))))
        told.append(channels.index((yield Await(channels, 0.0))))
        yield from streams[first].receive()
        told.append((yield Await((channels[first],), 0.01)))
        yield from streams[1 - first].send(b"go")
        told.append(channels.index((yield Await(channels))))
        return told

    assert found(check(TalkProbe(dialogue))) == [first, first, None, 1 - first]


def test_an_answer_that_is_there_is_received_without_patience(check: Check, new_peer: NewPeer, host: str) -> None:
    """A driver waits for an answer before it looks for one, but not where it may not wait, or knows of the answer."""
    peer = new_peer(await_text(b"go"), b"x")

    def dialogue() -> Dialogue[list[object]]:
        stream = yield from open_to(host, peer.port)
        told: list[object] = [(yield from stream.receive(patience=0.0))]
        yield from stream.send(b"go")
        told.append((yield Await((stream.channel,))) is stream.channel)
        told.append((yield from stream.receive(patience=0.0)))
        return told

    assert found(check(TalkProbe(dialogue))) == [None, True, b"x"]


def test_a_listener_has_something_when_somebody_connects(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[list[bool]]:
        stream = yield from open_to(host, peer.port)
        own = yield LocalAddress(stream.channel)
        listener = yield Listen(address_of(host, 0))
        told = [(yield Await((stream.channel, listener), 0.01)) is None]
        client = yield Connect(listener.address)
        told.append((yield Await((stream.channel, listener))) is listener)
        accepted = yield Accept(listener)
        told.append(accepted.address.host == own.host)
        for channel in (accepted, client, listener):
            yield Close(channel)
        return told

    assert found(check(TalkProbe(dialogue))) == [True, True, True]


def test_a_connection_may_be_given_up_before_the_deadline(
    check: Check, new_peer: NewPeer, host: str, full_queue: int
) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[str]:
        try:
            yield Connect(address_of(host, full_queue), "", 0.1)
        except NotConnected as failure:
            yield from open_to(host, peer.port)
            return failure.message
        return ""

    assert found(check(TalkProbe(dialogue))) == "no answer within 0.1 seconds"


def test_patience_is_for_peers_that_do_not_answer(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[bool]:
        channel = yield Connect(address_of(host, peer.port), "", 30.0)
        return channel is not None

    assert found(check(TalkProbe(dialogue))) is True
