from __future__ import annotations

import os
import select
from contextlib import suppress

from noidlb.service import log
from noidlb.service.log import LineWriter

from tests.support.waiting import until


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


def test_a_pipe_that_another_process_made_non_blocking_loses_nothing() -> None:
    out, into = os.pipe()
    os.set_blocking(into, False)
    writer = LineWriter(into)
    wanted = [f"{number} {'x' * 1000}" for number in range(300)]
    for line in wanted:
        writer.write(line)
    # It is full by then, and the rest waits for its reader.
    until(lambda: not select.select([], [into], [], 0)[1])
    os.set_blocking(out, False)
    read = bytearray()

    def is_whole() -> bool:
        with suppress(BlockingIOError):
            read.extend(os.read(out, 5000))
        return read.count(b"\n") == len(wanted)

    until(is_whole)
    assert read.decode().splitlines() == wanted
    writer.close()
    os.close(out)
    os.close(into)


def test_a_reader_who_is_gone_is_no_trouble() -> None:
    out, into = os.pipe()
    os.close(out)
    writer = LineWriter(into)
    writer.write("one")
    writer.write("two")
    writer.close()
    os.close(into)
