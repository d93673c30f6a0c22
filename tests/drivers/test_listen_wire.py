"""Listening for the peer's connection."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from noidchecks.address import AF_UNSPEC, STREAM
from noidchecks.dialogue.operations import Accept, Dialogue, Listen, LocalAddress, Receive, Resolve, Send
from noidchecks.dialogue.stream import open_stream
from noidchecks.errors import LocalError
from tests.conftest import Check
from tests.support.talk import TalkProbe

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
