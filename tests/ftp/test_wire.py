"""Replies taken from bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from noidchecks.ftp.wire import Reply, ReplyReader


def read(*chunks: bytes) -> list[Reply]:
    reader = ReplyReader()
    replies = []
    for chunk in chunks:
        reader.feed(chunk)
        while (reply := reader.next()) is not None:
            replies.append(reply)
    return replies


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        (b"220 ready\r\n", [220]),
        (b"220 ready\n", [220]),
        (b"220\r\n", [220]),
        (b"220 \r\n", [220]),
        (b"220-one\r\n220 two\r\n", [220]),
        (b"220-one\r\n221 not the end\r\n 220 neither\r\n220-nor this\r\n\r\n220 end\r\n", [220]),
        (b"220-one\r\n220\r\n", [220]),
        (b"120 wait\r\n220 now\r\n", [120, 220]),
        (b"421 full\r\n", [421]),
        (b"220-one\r\n2200 longer\r\n220 end\r\n", [220]),
        (b"220 ready", []),
        (b"220 ready\r", []),
        (b"220-one\r\n220-two\r\n", []),
        (b"22", []),
        (b"", []),
    ],
)
def test_complete_replies_are_taken(raw: bytes, codes: list[int]) -> None:
    replies = read(raw)
    assert [reply.code for reply in replies] == codes
    if codes:
        assert b"".join(reply.raw for reply in replies) == raw


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        (b"220 a\r221 b\r\n", [220, 221]),
        (b"220-a\r220 b\r\r\n221 c\n", [220, 221]),
        (b"\xff\xfb\x01220 a\r\n\xff\xf1221 b\r\n", [220, 221]),
        (b"220-a\r\n\xff\xfd\x18220 b\r\n", [220]),
    ],
)
def test_line_ends_and_telnet_commands_of_all_kinds(raw: bytes, codes: list[int]) -> None:
    assert [reply.code for reply in read(raw)] == codes


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-x",
        b"x",
        b"2x0 ",
        b"22x",
        b"2200 ",
        b" 220 ready",
        b"620 no such class",
        b"020 no such class",
        "٢٢٠ arabic".encode(),
        b"\0",
        b"\xff" * 99 + b"220 too many commands",
        b"220+ready",
        b"",
    ],
)
def test_a_line_without_a_code_is_passed_over(raw: bytes) -> None:
    reader = ReplyReader()
    reader.feed(b"\r\n" + raw + b"\r\nmore\r\n")
    assert reader.next() is None
    assert reader.passed == (raw.strip() or b"more")
    assert not reader.has_more
    reader.feed(b"220 ready\r\n")
    assert reader.next() == Reply(220, b"220 ready\r\n")
    assert reader.passed == b""


def test_a_line_that_ends_in_cr_alone_is_a_reply_when_nothing_follows() -> None:
    reader = ReplyReader()
    reader.feed(b"220-one\r220 two\r")
    assert reader.next() is None
    assert reader.lacks_line_feed
    assert reader.end() == Reply(220, b"220-one\r220 two\r")
    assert not reader.lacks_line_feed


def test_a_last_line_with_another_code_ends_a_reply_when_nothing_follows() -> None:
    reader = ReplyReader()
    reader.feed(b"230-one\r\n331 two\r\n")
    assert reader.next() is None
    assert reader.ends_otherwise
    reader.feed(b"x")
    assert not reader.ends_otherwise
    reader.feed(b"\r\n530 three\r\n")
    assert reader.next() is None
    assert reader.ends_otherwise
    assert reader.end() == Reply(530, b"230-one\r\n331 two\r\nx\r\n530 three\r\n")
    assert not reader.ends_otherwise


def test_a_last_line_without_its_end_is_a_reply_once_the_peer_has_ended() -> None:
    reader = ReplyReader()
    reader.feed(b"220 ready")
    assert reader.next() is None
    assert reader.begins_last_line
    reply = reader.end()
    assert reply is not None
    assert (reply.code, reply.raw) == (220, b"220 ready")


def test_an_unfinished_multi_line_reply_is_none_at_the_end() -> None:
    reader = ReplyReader()
    reader.feed(b"220-one\r\n220-tw")
    assert reader.next() is None
    assert reader.is_inside_lines
    assert not reader.begins_last_line
    assert reader.end() is None


def test_bytes_behind_a_reply_are_noticed() -> None:
    reader = ReplyReader()
    reader.feed(b"234 go\r\n230 injected\r\n")
    assert reader.next() == Reply(234, b"234 go\r\n")
    assert reader.has_more


@given(
    st.lists(
        st.sampled_from([b"220-a\r\n", b"220 b\r\n", b"120 c\r\n", b"x\n", b"\r\n", b"220\r\n", b"\xff", b"\r", b"\0"]),
        max_size=8,
    ),
    st.data(),
)
def test_chunking_never_changes_the_replies(pieces: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    chunks = [raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    assert read(*chunks) == read(raw)
