"""Lines and JSON lines on standard output, and reports that nobody knows."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from threading import Thread, Timer

import pytest

from noidchecks import Metric, Result, State, UsageError
from noidchecks.surveys.report.choose import choose
from noidchecks.surveys.report.record import Record
from noidchecks.surveys.report.standard_output import JsonLines, Lines
from tests.support.records import BANNERS, TIME, record, some, target


@pytest.mark.parametrize("banner", BANNERS, ids=range(len(BANNERS)))
def test_every_result_is_one_line(banner: bytes) -> None:
    found = record(banner, state=State.WARNING, more="\nmore")
    line = Lines().pack(found).decode()
    assert line.endswith("\n")
    host, service, code, output = line[:-1].split("\t")
    assert (host, service, code) == ("web1", "ftp", "1")
    assert "\n" not in output
    assert output.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\") == found.output(found.text)
    tree = json.loads(JsonLines().pack(found))
    assert JsonLines().pack(found).count(b"\n") == 1
    assert (tree["host"], tree["service"], tree["state"], tree["exit_code"]) == ("web1", "ftp", "WARNING", 1)
    assert (tree["started"], tree["finished"]) == (TIME - 0.25, TIME)
    assert tree["text"] == found.text


def test_the_format_for_several_lines_is_that_of_the_plugin() -> None:
    metrics = (Metric("time", 0.25, "s", minimum=0.0), Metric("a b", 7))
    found = Record(target(output_format="multi-line"), Result(State.OK, record().text, metrics=metrics), TIME)
    assert found.output(found.text) == (
        "[OK] - FTP OK - [220 ready]\n\t\\_[OK] - FTP OK - [220 ready]| time=0.250000s;;;0.000000 'a b'=7"
    )


def test_a_reader_who_leaves_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    report = Lines()
    records = [record(service="a"), record(service="b")]
    assert not report.deliver(records).refused
    assert capfd.readouterr().out == "".join(report.pack(one).decode() for one in records)
    kept = os.dup(1)
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 1)
    try:
        for _ in range(2):
            delivery = report.deliver(records)
            assert delivery.refused == [("everything", "no process reads it any more")] * 2
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(writing)


@contextmanager
def standard_output(descriptor: int) -> Iterator[None]:
    """Has standard output lead to the descriptor, which it closes."""
    kept = os.dup(1)
    os.dup2(descriptor, 1)
    os.close(descriptor)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def file_size(limit: int) -> Iterator[None]:
    """Lets no file grow beyond the limit, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_whose_beginning_was_written_is_completed_and_none_comes_twice(tmp_path: Path) -> None:
    path = tmp_path / "out"
    report = Lines()
    records = some(6)
    lines = [report.pack(one) for one in records]
    ends = list(accumulate(map(len, lines)))
    with standard_output(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)):
        # In the middle of the third line, further on in it, at its end, not at all, and in the middle of the fifth.
        for limit, whole in ((ends[1] + 30, 2), (ends[1] + 60, 2), (ends[2], 3), (ends[2], 3), (ends[3] + 30, 4)):
            left = records[path.read_bytes().count(b"\n") :]
            with file_size(limit):
                delivery = report.deliver(left)
            assert delivery.trouble == "File too large"
            assert delivery.left == records[whole:]
            assert path.read_bytes() == b"".join(lines)[:limit]
        # The fifth was dropped meanwhile, because too many waited.
        assert not report.deliver(records[5:]).left
    assert path.read_bytes() == b"".join(lines)


def test_a_line_that_was_completed_is_not_begun_any_more(tmp_path: Path) -> None:
    report = Lines()
    one, other = some(2)
    with standard_output(os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)):
        with file_size(10):
            assert report.deliver([one]).left == [one]
        for _ in range(2):
            assert not report.deliver([one, other]).left
    assert (tmp_path / "out").read_bytes() == b"".join(map(report.pack, (one, other))) * 2


def test_a_pipe_that_somebody_made_non_blocking_is_waited_for() -> None:
    report = Lines()
    records = some(500, length=1000)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filling = bytes(os.write(writing, bytes(1 << 20)))
    received: list[bytes] = []

    def read() -> None:
        while data := os.read(reading, 3000):
            received.append(data)

    with standard_output(writing):
        reader = Timer(0.1, read)
        reader.start()
        delivery = report.deliver(records)
    reader.join()
    os.close(reading)
    assert not delivery.left
    assert not delivery.trouble
    assert b"".join(received) == filling + b"".join(map(report.pack, records))


def test_what_was_whole_when_the_reader_left_is_handed_in() -> None:
    report = Lines()
    records = some(500, length=1000)
    reading, writing = os.pipe()

    def leave() -> None:
        os.read(reading, 5000)
        os.close(reading)

    with standard_output(writing):
        reader = Thread(target=leave)
        reader.start()
        delivery = report.deliver(records)
    reader.join()
    assert 0 < len(delivery.refused) < len(records)


@pytest.mark.parametrize(
    "text", ["", "nosuch", "lines=x", "json=x", "nagios-spool", "nagios-spool=", "icinga2", "Lines"]
)
def test_a_report_that_nobody_knows(text: str) -> None:
    with pytest.raises(UsageError, match=r"^Report must be one of lines, json, nagios-spool=DIR"):
        choose(text)


def test_reports_are_chosen_by_their_word() -> None:
    assert type(choose("json")).__name__ == "JsonLines"
    assert type(choose("nagios-spool=/x")).__name__ == "NagiosSpool"
    assert type(choose("nagios-command=/x=y")).__name__ == "NagiosCommand"
    assert type(choose("prometheus=/x")).__name__ == "PrometheusFile"
