"""FTP replies do not depend on how the network cut them."""

from __future__ import annotations

import itertools

from hypothesis import example, given, strategies as st

from noidchecks.ftp.wire import Reply, ReplyReader

pieces = st.sampled_from(
    (
        *(b"220", b"220 ", b"220-", b"221 ", b"530-", b"120 ", b" ", b"-", b"\r", b"\n", b"\r\n", b"ready"),
        *(b"\xff\xf4", b"\x00", "٢٢٠ ".encode(), b"999 ", b"22", b"0"),
    )
)
streams = st.one_of(st.binary(max_size=60), st.builds(b"".join, st.lists(pieces, max_size=20)))


def read(chunks: list[bytes]) -> list[Reply]:
    """Returns the replies of a whole stream."""
    reader = ReplyReader()
    replies: list[Reply] = []
    for chunk in chunks:
        reader.feed(chunk)
        while (reply := reader.next()) is not None:
            replies.append(reply)
    if (last := reader.end()) is not None:
        replies.append(last)
    return replies


@given(streams, st.data())
def test_any_chunking_gives_the_same_replies(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    ends = [0, *cuts, len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(ends)]
    assert read(chunks) == read([stream]) == read([bytes([byte]) for byte in stream])


@given(streams)
@example(b"220-a\r\n220-b\r\n221 c\r\n220 d\r\n")
def test_replies_are_parts_of_the_stream_in_its_order(stream: bytes) -> None:
    behind = 0
    for reply in read([stream]):
        behind = stream.index(reply.raw, behind) + len(reply.raw)
        assert 100 <= reply.code <= 599
        assert b"%d" % reply.code in reply.raw


lines = st.text(alphabet="abc 25-|", max_size=10).map(str.encode)


@given(st.integers(100, 599), st.lists(lines, max_size=4), lines, st.sampled_from([b"\r\n", b"\n"]), streams)
def test_a_reply_that_was_written_is_read(
    code: int, between: list[bytes], text: bytes, end: bytes, rest: bytes
) -> None:
    """Lines within a reply of several lines are indented, so that none of them looks like its last."""
    number = b"%d" % code
    first = number + b"-begin" + end + b"".join(b" " + line + end for line in between) if between else b""
    written = first + number + b" " + text + end
    reader = ReplyReader()
    reader.feed(written + rest)
    assert reader.next() == Reply(code, written)
