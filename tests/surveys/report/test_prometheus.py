"""The text file for Prometheus, read back by a reader of its format."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from noidchecks import Metric, State
from noidchecks.surveys.report.prometheus import PrometheusFile
from noidchecks.surveys.report.record import Record
from tests.support.records import TIME, record

Sample = tuple[str, tuple[tuple[str, str], ...], float]

_SAMPLE = re.compile(r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)')
_LABEL = re.compile(r'([a-z]+)="((?:[^"\\\n]|\\["\\n])*)"')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def read(text: str) -> list[Sample]:
    """Reads samples; every family must stand together behind its TYPE line."""
    samples: list[Sample] = []
    family = ""
    seen: set[str] = set()
    assert text.endswith("\n")
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert kind == "gauge"
            assert family not in seen
            seen.add(family)
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] == family
        labels = tuple(
            (name, re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], value))
            for name, value in _LABEL.findall(match[2])
        )
        samples.append((family, labels, float(match[3])))
    assert len({sample[:2] for sample in samples}) == len(samples), "a sample is there twice"
    return samples


def deliver(report: PrometheusFile, *records: Record) -> None:
    assert not report.deliver(records).left


def test_the_newest_result_of_each_service_is_there(tmp_path: Path) -> None:
    path = tmp_path / "noidchecks.prom"
    report = PrometheusFile(str(path))
    report.expect([("web1", "ftp"), ("web2", "ftp")])
    deliver(report, record(state=State.CRITICAL), record())
    assert not path.exists(), "half of it would make the others vanish"
    deliver(report, record(host="web2", metrics=(Metric("x", None), Metric("y", 3, "B"))))
    one, two = (("host", "web1"), ("service", "ftp")), (("host", "web2"), ("service", "ftp"))
    assert read(path.read_text()) == [
        ("noidchecks_state", one, 0),
        ("noidchecks_state", two, 0),
        ("noidchecks_duration_seconds", one, 0.25),
        ("noidchecks_duration_seconds", two, 0.25),
        ("noidchecks_last_check_timestamp_seconds", one, TIME),
        ("noidchecks_last_check_timestamp_seconds", two, TIME),
        ("noidchecks_performance", (*one, ("label", "time"), ("unit", "s")), 0.25),
        ("noidchecks_performance", (*one, ("label", "a b"), ("unit", "")), 7),
        ("noidchecks_performance", (*two, ("label", "y"), ("unit", "B")), 3),
    ]
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_others_can_read_it_whatever_the_mask_is(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        report = PrometheusFile(str(tmp_path / "p"))
        report.expect([("web1", "ftp")])
        deliver(report, record())
    finally:
        os.umask(mask)
    assert (tmp_path / "p").stat().st_mode & 0o777 == 0o644


def test_what_is_not_checked_any_more_vanishes(tmp_path: Path) -> None:
    report = PrometheusFile(str(tmp_path / "p"))
    report.expect([("web1", "ftp"), ("web2", "ftp")])
    deliver(report, record(), record(host="web2"))
    report.expect([("web2", "ftp")])
    deliver(report, record(host="web2"))
    assert "web1" not in (tmp_path / "p").read_text()


def test_an_end_before_every_service_has_a_result_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_text("complete\n")
    report = PrometheusFile(str(path))
    report.expect([("web1", "ftp"), ("web2", "ftp")])
    deliver(report, record())
    deliver(report, record())
    report.close()
    assert path.read_text() == "complete\n"
    assert report.held == 2


def test_what_a_file_that_cannot_be_written_has_not_taken_is_not_held_twice(tmp_path: Path) -> None:
    report = PrometheusFile(str(tmp_path / "none" / "p"))
    report.expect([("web1", "ftp"), ("web2", "ftp")])
    deliver(report, record())
    with pytest.raises(FileNotFoundError):
        report.deliver([record(host="web2")])
    assert report.held == 1
    (tmp_path / "none").mkdir()
    deliver(report, record(host="web2"))
    assert report.held == 0


def test_a_service_that_is_added_later_delays_no_other(tmp_path: Path) -> None:
    path = tmp_path / "p"
    report = PrometheusFile(str(path))
    report.expect([("web1", "ftp")])
    deliver(report, record())
    report.expect([("web1", "ftp"), ("web2", "ftp")])
    deliver(report, record(state=State.CRITICAL))
    assert read(path.read_text())[0] == ("noidchecks_state", (("host", "web1"), ("service", "ftp")), 2)
    assert report.held == 0
    deliver(report, record(host="web2"))
    assert "web2" in path.read_text()


def test_a_file_of_no_services_replaces_none(tmp_path: Path) -> None:
    """Such as with what an earlier survey has left in its journal, and an empty list of targets."""
    path = tmp_path / "p"
    path.write_text("complete\n")
    report = PrometheusFile(str(path))
    report.expect([])
    deliver(report, record())
    assert path.read_text() == "complete\n"


def test_a_file_that_cannot_be_written_is_an_error_and_the_old_one_stays(tmp_path: Path) -> None:
    report = PrometheusFile(str(tmp_path / "none" / "p"))
    report.expect([("web1", "ftp")])
    with pytest.raises(FileNotFoundError):
        report.deliver([record()])
    (tmp_path / "none").mkdir()
    deliver(report, record())
    assert "web1" in (tmp_path / "none" / "p").read_text()


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_is_escaped(tmp_path_factory: pytest.TempPathFactory, host: str, service: str) -> None:
    path = tmp_path_factory.getbasetemp() / "names.prom"
    report = PrometheusFile(str(path))
    report.expect([(host, service)])
    deliver(report, record(host=host, service=service))
    labels = read(path.read_bytes().decode())[0][1]
    assert labels == (("host", host), ("service", service))
