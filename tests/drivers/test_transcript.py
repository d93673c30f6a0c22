"""Tests of noidchecks.drivers.transcript."""

from __future__ import annotations

from typing import Any, cast

import pytest

from noidchecks import LocalError, NotConnected
from noidchecks.address import AF_INET, AF_UNIX, STREAM, Address
from noidchecks.dialogue.operations import (
    Accept,
    Close,
    Connect,
    Datagram,
    Decrypted,
    Delegate,
    Listen,
    LocalAddress,
    OpenDatagram,
    Operation,
    Phase,
    Receive,
    ReceiveFrom,
    Redact,
    ReserveTime,
    Resolve,
    Send,
    SendTo,
    Sleep,
)
from noidchecks.drivers.transcript import Transcript, describe
from tests.support.rehearse import FakeChannel

CHANNEL = cast("Any", None)
ADDRESS = Address(AF_INET, ("127.0.0.1", 69))
UNIX = Address(AF_UNIX, "/a|\n")
DATA = cast("Any", FakeChannel(ADDRESS))


@pytest.mark.parametrize(
    ("operation", "outcome", "line"),
    [
        (Phase("greeting"), None, "-- greeting"),
        (Resolve("a|b\n", 21, 0, STREAM), (ADDRESS, ADDRESS), "resolve a b  port 21: 127.0.0.1, 127.0.0.1"),
        (Resolve("/a|\n", 21, 0, STREAM), (UNIX,), "resolve /a   port 21: /a  "),
        (Connect(UNIX), CHANNEL, "connect /a  "),
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
        (Close(DATA), None, "close 127.0.0.1:69"),
        (Listen(ADDRESS), DATA, "listen: 127.0.0.1:69"),
        (Listen(ADDRESS), LocalError("cannot listen"), "listen: cannot listen"),
        (Accept(DATA), DATA, "accept: 127.0.0.1:69"),
        (Accept(DATA), None, "accept: nothing in time"),
        (LocalAddress(DATA), ADDRESS, "local address: 127.0.0.1:69"),
        (Delegate(DATA, "m", b"secret"), DATA, "go on in a worker process"),
        (Delegate(DATA, "m", b"secret"), LocalError("a|b"), "go on in a worker process: a b"),
        (ReserveTime(1.5), None, "keep 1.5 s for the end"),
        (ReserveTime(0), None, ""),
        (Redact(b"secret"), None, ""),
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


def told(*steps: tuple[Operation, object]) -> list[str]:
    """Returns the lines of a transcript, without their times."""
    transcript = Transcript()
    for operation, outcome in steps:
        transcript.add(0.25, operation, outcome)
    assert all(line.startswith(("0.250000 ", "... ")) for line in transcript.lines())
    return [line.partition(" ")[2] for line in transcript.lines()]


def test_text_is_told_line_by_line_and_anything_else_as_it_came() -> None:
    assert told((Receive(CHANNEL), b"220-a\r\n b\n220 c")) == [
        "<: 7 bytes '220-a\\r\\n'",
        "<: 3 bytes ' b\\n'",
        "<: 5 bytes '220 c'",
    ]
    assert told((Receive(CHANNEL), b"\xff\n\n")) == ["<: 3 bytes '\\xff\\n\\n'"]
    assert told((Receive(CHANNEL), b"\x16\x03\n\xff")) == ["<: 4 bytes '\\x16\\x03\\n\\xff'"]


def test_an_identification_string_is_told_whole_when_binary_data_came_with_it() -> None:
    assert told((Receive(CHANNEL), b"Hi.\nSSH-2.0-dropbear_2022.83\r\n\0\0\x02\n\xff")) == [
        "<: 4 bytes 'Hi.\\n'",
        "<: 26 bytes 'SSH-2.0-dropbear_2022.83\\r\\n'",
        "<: 5 bytes '\\x00\\x00\\x02\\n\\xff'",
    ]
    many = told((Receive(CHANNEL), b"x\n" * 10_000))
    assert len(many) < 50
    assert many[-1].endswith("...")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_secret_is_masked_in_pieces_of_any_size(step: int, wrapped: bool) -> None:
    said = b"530 User bob has the password sesame, not sesa or sesames\r\n"
    pieces = [said[at : at + step] for at in range(0, len(said), step)]
    steps: list[tuple[Operation, object]] = [(Redact(b"sesame"), None), (Redact(b""), None)]
    if wrapped:
        steps += [(Decrypted(CHANNEL, piece), None) for piece in pieces]
    else:
        steps += [(Receive(CHANNEL), piece) for piece in pieces]
    shown = "".join(line.partition("'")[2].rpartition("'")[0] for line in told(*steps))
    assert shown == "530 User bob has the password ****, not sesa or ****s\\r\\n"


def test_a_secret_that_never_ends_is_not_shown_either() -> None:
    lines = told((Redact(b"sesame"), None), (Receive(CHANNEL), b"530 sesam"), (Receive(CHANNEL), b""))
    assert lines == ["<: 4 bytes '530 '", "<: end of stream"]


def test_a_secret_is_masked_in_what_is_sent() -> None:
    lines = told(
        (Redact(b"sesame"), None),
        (Send(CHANNEL, b"USER sesame\r\n"), None),
        (Send(CHANNEL, b"USER sesame\r\n"), NotConnected("gone", 32)),
        (Send(CHANNEL, b"\x17\x03", b"ACCT sesame\r\n"), None),
    )
    assert lines == [
        "> 11 bytes 'USER ****\\r\\n'",
        "> 11 bytes 'USER ****\\r\\n': gone",
        "> 'ACCT ****\\r\\n'",
    ]


def test_a_short_secret_cannot_be_told_by_what_is_left() -> None:
    assert told((Redact(b"in"), None), (Receive(CHANNEL), b"230 Logged in\r\n")) == ["<: 4 bytes '****'"]


def test_of_a_long_dialogue_both_ends_are_kept() -> None:
    steps: list[tuple[Operation, object]] = [(Send(CHANNEL, f"NOOP {n}".encode()), None) for n in range(100_000)]
    lines = told(*steps)
    assert len(lines) <= 501
    assert lines[0].endswith("'NOOP 0'")
    assert lines[-1].endswith("'NOOP 99999'")
    assert lines[250] == "99500 lines left out ..."
    wide = told(*[(Send(CHANNEL, b"x" * 512), None)] * 1000)
    assert sum(map(len, wide)) < 60_000


def test_a_record_of_tls_between_the_halves_of_a_secret_does_not_show_them() -> None:
    lines = told(
        (Redact(b"sesame"), None),
        (Decrypted(CHANNEL, b"230 sesa"), None),
        # It ends as the secret begins, by chance.
        (Receive(CHANNEL), b"\x17\x03\x03s"),
        (Decrypted(CHANNEL, b"me is in\r\n"), None),
    )
    assert lines == ["<: 4 bytes '230 '", "<: 3 bytes '\\x17\\x03\\x03'", "<: 12 bytes '**** is in\\r\\n'"]
