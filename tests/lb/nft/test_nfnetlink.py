from __future__ import annotations

import errno
import struct

import pytest
from noidlb.nft import nfnetlink
from noidlb.nft.nfnetlink import _read, attribute, generation_number


def message(kind: int, *attributes: bytes) -> bytes:
    body = struct.pack("!BBH", 0, 0, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


NEW = 10 << 8 | 15


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (message(NEW, attribute(1, b"\0\0\1\2")), {1: b"\0\0\1\2"}),
        (message(NEW, attribute(3, b"nft\0\0"), attribute(1, b"\0\0\0\5")), {3: b"nft\0\0", 1: b"\0\0\0\5"}),
        (message(NEW, struct.pack("=HH", 0, 9)), {9: b""}),
        (message(NEW, struct.pack("=HH", 900, 9) + b"short"), {9: b"short"}),
        (message(2, b""), {}),
        (b"", {}),
    ],
)
def test_an_answer_is_read(given: bytes, found: dict[int, bytes]) -> None:
    assert _read(given) == found


@pytest.mark.parametrize(("code", "error"), [(errno.EPERM, PermissionError), (errno.ENOENT, FileNotFoundError)])
def test_a_refusal_is_an_error(code: int, error: type[OSError]) -> None:
    with pytest.raises(error):
        _read(struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -code))


def test_an_attribute_is_filled_up() -> None:
    assert attribute(1, b"nft\0\0") == struct.pack("=HH", 9, 1) + b"nft\0\0\0\0\0"


@pytest.mark.parametrize(
    ("answer", "found"), [({1: b"\0\0\1\2"}, 258), ({2: b"\0\0\0\7"}, None), ({1: b"\7"}, None), ({}, None)]
)
def test_the_generation_is_the_kernels_answer(
    monkeypatch: pytest.MonkeyPatch, answer: dict[int, bytes], found: int | None
) -> None:
    monkeypatch.setattr(nfnetlink, "ask", lambda *_: answer)
    assert generation_number() == found


def test_where_the_kernel_knows_no_netfilter_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened() -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(nfnetlink, "opened", opened)
    assert generation_number() is None
