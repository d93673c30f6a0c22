"""The table of metrics of the guardian's page has every metric, with its labels."""

from __future__ import annotations

import re
from dataclasses import replace

from noidlb.nft.fullness import Fullness
from noidlb.service.metrics import write

from tests.support.docs_blocks import ROOT
from tests.support.lb.metrics import health, view

_SAMPLE = re.compile(r"(noidlb_\w+)(?:\{(.*)\})? ")
_LABEL = re.compile(r'(\w+)="')


def test_the_page_has_every_metric_with_its_labels() -> None:
    given = view(health("b1", "up"), flows={})
    given = replace(
        given,
        counts=replace(given.counts, flows=Fullness(1, 2)),
        others={"hook_runs": 1, "hook_failures": 0},
        sticky={4: Fullness(1, 2)},
        expectations=Fullness(1, 2),
    )
    lines = b"".join(write(given)).decode().splitlines()
    samples = [found for line in lines if (found := _SAMPLE.match(line))]
    assert {one[1] for one in samples} == {line.split()[2] for line in lines if line.startswith("# TYPE")}
    written = {one[1]: set(_LABEL.findall(one[2] or "")) for one in samples}
    page = (ROOT / "docs" / "guardian.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `noidlb_")]
    documented = {
        name: {label.strip() for label in row[2].split(",") if label.strip()}
        for row in rows
        for name in re.findall(r"`(noidlb_\w+)`", row[1])
    }
    assert documented == written
