"""Mutations without coverage, for an interpreter without atheris, and for the tests."""

from __future__ import annotations

import random
from collections.abc import Iterator

# Numbers at the edges of what fields can hold, and words that protocols are made of.
_WORDS = (
    *(b"\0", b"\xff", b"\x7f", b"\x80", b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\1"),
    *(b"\r\n", b"\n", b"|", b"<b>", b"%s", b"\x1b[0m", b"220 ", b"220-", b"550 ", b"(|||1|)", b"(1,2,3,4,5,6)"),
    *("٣".encode(), "\u202e".encode(), b"\xc3", b"65535", b"-1", b"1e9", b"9" * 20, b"blksize\0", b"SSH-2.0-"),
)
_MOST = 4096


def mutations(corpus: list[bytes], seed: int) -> Iterator[bytes]:
    """Yields inputs that are unlike those of the corpus in a few places, without end."""
    chance = random.Random(seed)
    while True:
        raw = bytearray(chance.choice(corpus))
        for _ in range(chance.randrange(1, 6)):
            _change(chance, raw, corpus)
        yield bytes(raw[:_MOST])


def _change(chance: random.Random, raw: bytearray, corpus: list[bytes]) -> None:
    place = chance.randrange(len(raw) + 1)
    end = min(len(raw), place + chance.choice((1, 2, 4, 16)))
    match chance.randrange(7):
        case 0 if place < len(raw):
            raw[place] ^= 1 << chance.randrange(8)
        case 1 if place < len(raw):
            raw[place] = chance.randrange(256)
        case 2:
            raw[place:place] = chance.choice(_WORDS)
        case 3:
            raw[place : place + 2] = chance.choice(_WORDS)
        case 4:
            del raw[place:end]
        case 5:
            raw[place:place] = raw[place:end] * chance.choice((1, 2, 50))
        case _:
            other = chance.choice(corpus)
            raw[place:] = other[chance.randrange(len(other) + 1) :]
