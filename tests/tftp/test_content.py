from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, strategies as st

from noidchecks.tftp.content import Content


def decoded(wire: bytes) -> bytes:
    """Netascii read byte by byte, as RFC 764 describes it."""
    out = bytearray()
    position = 0
    while position < len(wire):
        pair = wire[position : position + 2]
        if pair == b"\r\n":
            out += b"\n"
            position += 2
        elif pair == b"\r\0":
            out += b"\r"
            position += 2
        else:
            out += wire[position : position + 1]
            position += 1
    return bytes(out)


def test_counts_and_hashes() -> None:
    content = Content([hashlib.sha256(), hashlib.sha1(usedforsecurity=False)])
    content.feed(b"O")
    content.feed(b"K\r\n")
    content.finish()
    assert (content.received, content.size) == (4, 4)
    assert content.digests() == {
        "sha256": hashlib.sha256(b"OK\r\n").hexdigest(),
        "sha1": hashlib.sha1(b"OK\r\n", usedforsecurity=False).hexdigest(),
    }


def test_keeps_nothing() -> None:
    content = Content()
    content.feed(b"x" * 1000)
    held = [getattr(content, name) for name in Content.__slots__]
    assert held == [1000, 1000, (), False, b""]


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([b"a\r\nb"], b"a\nb"),
        ([b"a\r", b"\nb"], b"a\nb"),
        ([b"a\r", b"\0b"], b"a\rb"),
        ([b"a\r", b"", b"\nb"], b"a\nb"),
        ([b"a\r"], b"a\r"),
        ([b"\r", b"\r", b"\n"], b"\r\n"),
        ([b"\r\0\n"], b"\r\n"),
        ([b"a\nb"], b"a\nb"),
        ([], b""),
    ],
)
def test_netascii(blocks: list[bytes], expected: bytes) -> None:
    content = Content([hashlib.sha256()], netascii=True)
    for block in blocks:
        content.feed(block)
    content.finish()
    assert content.received == sum(map(len, blocks))
    assert content.size == len(expected)
    assert content.digests() == {"sha256": hashlib.sha256(expected).hexdigest()}


@given(st.lists(st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"x"]), max_size=6).map(b"".join), max_size=6))
def test_block_borders_change_nothing(blocks: list[bytes]) -> None:
    content = Content([hashlib.sha256()], netascii=True)
    for block in blocks:
        content.feed(block)
    content.finish()
    assert content.digests() == {"sha256": hashlib.sha256(decoded(b"".join(blocks))).hexdigest()}
