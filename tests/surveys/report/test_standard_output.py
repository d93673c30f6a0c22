"""Lines and JSON lines on standard output, and reports that nobody knows."""

from __future__ import annotations

import json
import os

import pytest

from noidchecks import Metric, Result, State, UsageError
from noidchecks.surveys.report.choose import choose
from noidchecks.surveys.report.record import Record
from noidchecks.surveys.report.standard_output import JsonLines, Lines
from tests.support.records import BANNERS, TIME, record, target


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
            assert delivery.refused == [("everything", "nobody reads it any more")] * 2
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(writing)


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
