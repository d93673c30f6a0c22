"""The serving node dies: running transfers go on, and new ones find the other node."""

from __future__ import annotations

import pytest

from integration.pair.farms import everything
from integration.pair.lab import PairLab, paced, wait_for
from integration.pair.transfers import KINDS, Transfer, start_all

pytestmark = pytest.mark.root


@pytest.mark.parametrize("mode", ["snat", "dnat"])
@pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
def test_running_transfers_survive(pair_lab: PairLab, version: int, mode: str) -> None:
    pair_lab.boot(everything(mode))
    transfers = [Transfer(pair_lab, kind, version) for kind in KINDS]
    with paced([pair_lab.client, *pair_lab.backends]):
        start_all(transfers, 1.5)
        running = [one.kind for one in transfers if one.is_running]
        pair_lab.nodes[0].crash()
        assert running == list(KINDS), [one.finish() for one in transfers]
        outcomes = {one.kind: one.finish() for one in transfers}
    assert outcomes == dict.fromkeys(KINDS, "")
    assert pair_lab.active is pair_lab.nodes[1]
    wait_for(lambda: pair_lab.nodes[1].role == "master", "the notify script")
