"""Limits for messages, asked before paramiko takes them apart."""

from __future__ import annotations

import struct

import pytest

from noidchecks.ssh.paramiko_.bounds import Bounds, Excess, check_packet


def string(size: int) -> bytes:
    return struct.pack(">I", size) + bytes(size)


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (31, string(100) + string(20_000) + string(10), "a field of 20000 bytes in a key exchange"),
        (33, string(4) + struct.pack(">I", 1 << 31), "a field of 2147483648 bytes"),
        (7, struct.pack(">I", 0xFFFFFFFF), "4294967295 extensions"),
        (60, string(0) * 3 + struct.pack(">I", 0xFFFFFFFF), "4294967295 questions"),
    ],
)
def test_too_much(kind: int, body: bytes, words: str) -> None:
    with pytest.raises(Excess, match=words):
        Bounds().check(kind, body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (31, string(1200) + string(1120) + string(3000)),
        (7, struct.pack(">I", 3)),
        (60, string(5) + string(0) + string(2) + struct.pack(">I", 1) + string(9) + b"\0"),
        (60, string(7) + string(300)),
        (60, b""),
    ],
)
def test_what_servers_say(kind: int, body: bytes) -> None:
    Bounds().check(kind, body)


def test_endless_messages_without_data() -> None:
    bounds = Bounds()
    for _ in range(10_000):
        bounds.check(2, b"")
    with pytest.raises(Excess, match="more than 10000 messages"):
        bounds.check(2, b"")


def test_a_server_that_widens_the_window_after_each_request() -> None:
    """A file of more than 320 MB, or a long listing, from a server that is written so in Go."""
    bounds = Bounds()
    for _ in range(32_768):
        bounds.check(93, bytes(8))
        bounds.check(94, b"")


def test_endless_errors_between_data() -> None:
    bounds = Bounds()
    for _ in range(8):
        bounds.check(95, bytes(100_000))
        bounds.check(94, b"")
    with pytest.raises(Excess, match="1100000 bytes of errors on the channel"):
        bounds.check(95, bytes(300_000))


def test_packets_are_as_long_as_those_of_openssh() -> None:
    check_packet(256 << 10)
    with pytest.raises(Excess, match="a packet of 4294967292 bytes"):
        check_packet(0xFFFFFFFC)
