from __future__ import annotations

import struct

import pytest

from lb.generation import _read, generation


def message(kind: int, *attributes: bytes) -> bytes:
    body = struct.pack("!BBH", 0, 0, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + value + padding


NEW = 10 << 8 | 15


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (message(NEW, attribute(1, b"\0\0\1\2")), 258),
        (message(NEW, attribute(3, b"nft\0\0"), attribute(2, b"\0\0\0\7"), attribute(1, b"\0\0\0\5")), 5),
        (message(NEW, attribute(2, b"\0\0\0\7")), None),
        (message(NEW, struct.pack("=HH", 0, 9)), None),
        (message(2, struct.pack("=i", -1)), None),
        (b"", None),
    ],
)
def test_the_generation_is_read_out_of_the_kernels_answer(given: bytes, found: int | None) -> None:
    assert _read(given) == found


def test_where_the_kernel_knows_no_netfilter_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lb.generation._NETFILTER", 31)
    assert generation() is None
