"""A packet that reads one map before a change and the next one after it is not refused while others serve."""

from __future__ import annotations

import re

import pytest

from integration.lab import Lab, vip
from integration.lab.names import ask_often
from integration.lb.balance import Balance
from integration.lb.farms import farm

pytestmark = pytest.mark.root


def test_a_slot_whose_backend_is_gone_is_picked_again(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names]))
    listed = lab.balancer.run(("nft", "list", "map", "inet", "noidlb", f"backend{version}")).stdout
    found = re.search(r'(0x[0-9a-f]{8}) [^,]*comment "farm/b2"', listed)
    assert found, listed
    # What a packet sees that has read its slot before b2 went down, and looks for b2 after it.
    lab.balancer.nft(f"delete element inet noidlb backend{version} {{ {found[1]} }}")
    assert set(ask_often(lab.client, vip(version), names, 30)) == {"b1", "b3"}
