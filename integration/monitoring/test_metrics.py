"""Every page of metrics as Prometheus itself reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from noidlb.service.metrics import write

from integration.monitoring.promtool import complaints
from noidchecks import Metric
from noidchecks.surveys.report.prometheus import PrometheusFile
from tests.support.lb.metrics import health, view
from tests.support.records import record

pytestmark = pytest.mark.root

NAMES = ("web1", 'a "quoted" \\name\\n', "schön\r")


def test_what_promtool_complains_of() -> None:
    assert complaints(b"# HELP x X.\n# TYPE x gauge\nx 1\n") == ""
    assert "no help text" in complaints(b"x 1\n")
    assert "parsing" in complaints(b'x{a="\\udc80"} 1\n')


def test_the_page_of_the_guardian() -> None:
    found = view(health("b1", "up"), health("b2", "down", command='a "quoted" \\ and\nnew \udc80'))
    assert complaints(b"".join(write(found))) == ""


def test_the_file_of_the_survey(tmp_path: Path) -> None:
    report = PrometheusFile(str(tmp_path / "p"))
    report.expect([(name, "ftp") for name in NAMES])
    metrics = (Metric("time", 0.25, "s"), Metric("big", 1e300), Metric("small", 1e-300), Metric("part", 3, "%"))
    report.deliver([record(host=name, metrics=metrics) for name in NAMES])
    assert complaints((tmp_path / "p").read_bytes()) == ""
