"""Replies taken from bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from noidchecks.ftp.wire import NotAReply, Reply, ReplyReader


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
    "raw",
    [
        b"SSH-2.0-x",
        b"x",
        b"2x0 ",
        b"22x",
        b"2200 ",
        b"\r\n220 late\r\n",
        b" 220 ready\r\n",
        b"620 no such class\r\n",
        b"020 no such class\r\n",
        "٢٢٠ arabic\r\n".encode(),
        b"\xff\xfb\x01220 ready\r\n",
        b"\0",
        b"220+ready\r\n",
    ],
)
def test_what_begins_like_no_reply_is_told_at_once(raw: bytes) -> None:
    with pytest.raises(NotAReply):
        read(raw)


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
        st.sampled_from([b"220-a\r\n", b"220 b\r\n", b"120 c\r\n", b"x\n", b"\r\n", b"220\r\n", b"\xff"]), max_size=8
    ),
    st.data(),
)
def test_chunking_never_changes_the_replies(pieces: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    chunks = [raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    def outcome(parts: list[bytes]) -> tuple[list[Reply], bool]:
        reader = ReplyReader()
        replies: list[Reply] = []
        try:
            for part in parts:
                reader.feed(part)
                while (reply := reader.next()) is not None:
                    replies.append(reply)
        except NotAReply:
            return replies, True
        return replies, False

    assert outcome(chunks) == outcome([raw])
