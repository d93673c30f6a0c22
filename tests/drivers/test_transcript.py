"""Tests of noidchecks.drivers.transcript."""

from __future__ import annotations

from typing import Any, cast

import pytest

from noidchecks import NotConnected
from noidchecks.address import AF_INET, STREAM, Address
from noidchecks.dialogue import (
    Close,
    Connect,
    Datagram,
    OpenDatagram,
    Phase,
    Receive,
    ReceiveFrom,
    Resolve,
    Send,
    SendTo,
    Sleep,
)
from noidchecks.drivers.transcript import describe

CHANNEL = cast("Any", None)
ADDRESS = Address(AF_INET, ("127.0.0.1", 69))


@pytest.mark.parametrize(
    ("operation", "outcome", "line"),
    [
        (Phase("greeting"), None, "-- greeting"),
        (Resolve("a|b\n", 21, 0, STREAM), (ADDRESS, ADDRESS), "resolve a b  port 21: 127.0.0.1, 127.0.0.1"),
        (Connect(ADDRESS), CHANNEL, "connect 127.0.0.1:69"),
        (Connect(ADDRESS), NotConnected("Connection refused", 111), "connect 127.0.0.1:69: Connection refused"),
        (Connect(ADDRESS), NotConnected("a|b\n", 0), "connect 127.0.0.1:69: a b "),
        (OpenDatagram(AF_INET), CHANNEL, "open datagram socket"),
        (Send(CHANNEL, b"QUIT\r\n"), None, "> 6 bytes 'QUIT\\r\\n'"),
        (Send(CHANNEL, b"PASS secret\r\n", b"PASS ****\r\n"), None, "> 'PASS ****\\r\\n'"),
        (SendTo(CHANNEL, b"\x00\x01", ADDRESS), None, "> 127.0.0.1:69 2 bytes '\\x00\\x01'"),
        (Receive(CHANNEL), b"220 x|y\n", "<: 8 bytes '220 x y\\n'"),
        (Receive(CHANNEL), b"", "<: end of stream"),
        (Receive(CHANNEL), None, "<: nothing in time"),
        (ReceiveFrom(CHANNEL), Datagram(b"ab", ADDRESS), "<: 127.0.0.1:69 2 bytes 'ab'"),
        (ReceiveFrom(CHANNEL), None, "<: nothing in time"),
        (Sleep(0.5), None, "sleep 0.5 s"),
        (Close(CHANNEL), None, ""),
    ],
)
def test_an_operation_is_described_in_one_line(operation: object, outcome: object, line: str) -> None:
    assert describe(operation, outcome) == line


def test_of_long_data_the_beginning_is_shown() -> None:
    text = describe(Receive(CHANNEL), b"x" * 16384)
    assert text.startswith("<: 16384 bytes 'xxx")
    assert text.endswith("'...")
    assert len(text) < 600
    assert len(describe(Receive(CHANNEL), b"\xff" * 16384)) < 200
