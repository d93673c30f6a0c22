"""Frames between a check and its worker: whatever the chunks, what was packed comes out, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from noidchecks.ssh.frames import DATA, KINDS, LIMIT, SETTINGS, Broken, FrameReader, pack, pack_values, values

FRAMES = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.binary(max_size=40)), max_size=6)


@given(FRAMES, st.data())
def test_frames_come_out_however_they_were_cut(frames: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    raw = b"".join(pack(kind, contents) for kind, contents in frames)
    reader, found = FrameReader(), []
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        reader.feed(raw[:size])
        raw = raw[size:]
        while (frame := reader.next()) is not None:
            found.append(frame)
    assert found == frames
    assert reader.next() is None


def test_values_come_back_as_they_were() -> None:
    packed = pack_values(SETTINGS, "é", b"\xff", None, True, 1.5, ["a", 2], {"x": (1, 2)})
    reader = FrameReader()
    reader.feed(packed)
    frame = reader.next()
    assert frame is not None
    assert frame[0] == SETTINGS
    assert values(frame[1]) == ("é", b"\xff", None, True, 1.5, ["a", 2], {"x": (1, 2)})


@pytest.mark.parametrize("head", [b"?\0\0\0\1", b"\0\0\0\0\0", DATA + (LIMIT + 1).to_bytes(4), b"D\xff\xff\xff\xff"])
def test_what_is_no_frame_is_refused_before_its_contents_come(head: bytes) -> None:
    reader = FrameReader()
    reader.feed(head[:4])
    assert reader.next() is None
    reader.feed(head[4:])
    with pytest.raises(Broken):
        reader.next()


def test_the_longest_frame_is_one() -> None:
    reader = FrameReader()
    reader.feed(pack(DATA, bytes(LIMIT)))
    assert reader.next() == (DATA, bytes(LIMIT))
