from __future__ import annotations

import os

from noidlb.service import log
from noidlb.service.log import LineWriter


def test_writes_lines_in_their_order() -> None:
    out, into = os.pipe()
    writer = LineWriter(into)
    for number in range(100):
        writer.write(f"line {number}")
    writer.close()
    os.close(into)
    with open(out, "rb") as file:
        assert file.read().decode().splitlines() == [f"line {number}" for number in range(100)]


def test_nobody_waits_for_a_reader_who_does_not_read() -> None:
    out, into = os.pipe()
    writer = LineWriter(into)
    # More than a pipe and the queue hold.
    for _ in range(log._WAITING + 3000):
        writer.write("x" * 100)
    read = b""
    while b"dropped" not in read:
        read = os.read(out, 1 << 20)
        writer.write("more")
    assert b"lines of the log were dropped, because the reader was too slow" in read
    os.close(out)
    writer.close()
    os.close(into)


def test_a_reader_who_is_gone_is_no_trouble() -> None:
    out, into = os.pipe()
    os.close(out)
    writer = LineWriter(into)
    writer.write("one")
    writer.write("two")
    writer.close()
    os.close(into)
