"""What others do to our table, out of the kernel's messages."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from noidlb.nft import nfnetlink
from noidlb.nft.nfnetlink import DELETE_TABLE, INET, NEW_GENERATION, attribute
from noidlb.nft.notices import Notice, Notices

# NFT_MSG_NEWRULE
RULE = 10 << 8 | 6
US, THEM = 100, 200


def message(kind: int, port: int, *attributes: bytes, family: int = INET) -> bytes:
    body = struct.pack("!BBH", family, 0, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, port) + body


def rule(port: int, table: str = "noidlb", family: int = INET, kind: int = RULE) -> bytes:
    return message(kind, port, attribute(1, f"{table}\0".encode()), attribute(2, b"dispatch\0"), family=family)


def end(port: int, command: str = "nft", process: int = 4711) -> bytes:
    who = attribute(2, process.to_bytes(4)), attribute(3, f"{command}\0".encode())
    return message(NEW_GENERATION, port, attribute(1, bytes(4)), *who)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.setattr(nfnetlink, "opened", lambda groups: ours)
    with ours, kernels:
        yield kernels


@pytest.fixture
def notices(kernel: socket.socket) -> Notices:
    one = Notices()
    # The filter of the kernel is none of a pair of sockets.
    one._ignored = US
    return one


@pytest.mark.parametrize(
    ("datagrams", "expected"),
    [
        ([], None),
        ([rule(THEM), end(THEM)], Notice(who=" (nft, process 4711)")),
        ([rule(THEM) + rule(THEM), end(THEM, "evil\n|x")], Notice(who=" (evil??x, process 4711)")),
        ([rule(THEM, "filter") + rule(THEM), end(THEM)], Notice(who=" (nft, process 4711)")),
        ([rule(THEM, kind=DELETE_TABLE), end(THEM)], Notice(removed=True, who=" (nft, process 4711)")),
        ([rule(THEM)], Notice()),
        ([rule(US), end(US)], None),
        ([rule(0)], None),
        ([rule(THEM, "filter"), end(THEM), rule(THEM, "noidlb_pair"), rule(THEM, family=2), end(THEM)], None),
        ([rule(THEM), end(THEM, "one"), rule(THEM), end(THEM, "two")], Notice(who=" (two, process 4711)")),
        ([b"\x07\0", b"noidlb", rule(THEM)[:30], struct.pack("=IHHII", 3, RULE, 0, 1, THEM) + rule(THEM)], None),
    ],
)
def test_what_others_do_to_our_table_is_noticed(
    kernel: socket.socket, notices: Notices, datagrams: list[bytes], expected: Notice | None
) -> None:
    for one in datagrams:
        kernel.send(one)
    found = notices.read()
    if expected is not None and expected.who.startswith(" (evil"):
        assert found is not None
        assert "\n" not in found.who
    else:
        assert found == expected
    assert notices.read() is None


def test_it_is_said_in_words() -> None:
    assert str(Notice(removed=True, who=" (nft, process 7)")) == (
        "the table was removed by another program (nft, process 7)"
    )
    assert str(Notice()) == "the table was changed by another program"


def test_where_nobody_may_listen_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(groups: int) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(nfnetlink, "opened", refuse)
    one = Notices()
    assert (one.works, one.fileno(), one.read()) == (False, -1, None)
    one.ignore(US)
    one.close()
