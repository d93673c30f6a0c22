"""The serving node dies: running transfers go on, and new ones find the other node."""

from __future__ import annotations

import pytest

from integration.pair.farms import everything
from integration.pair.lab import PairLab
from integration.pair.transfers import KINDS, crash_amid_transfers

pytestmark = pytest.mark.root


@pytest.mark.parametrize("mode", ["snat", "dnat"])
@pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
def test_running_transfers_survive(pair_lab: PairLab, version: int, mode: str) -> None:
    pair_lab.boot(everything(mode))
    assert crash_amid_transfers(pair_lab, version) == dict.fromkeys(KINDS, "")
    pair_lab.wait_until_serves(pair_lab.nodes[1])
    assert pair_lab.active is pair_lab.nodes[1]
