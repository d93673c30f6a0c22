"""Sticky clients: remembered when they are established, and served where nobody can be remembered any more."""

from __future__ import annotations

import json

import pytest
from noidlb.nft.skeleton import STICKY_SIZE

from integration.lab import Lab, vip
from integration.lab.names import Asked
from integration.lb.balance import Balance
from integration.lb.farms import farm

pytestmark = pytest.mark.root

SYN_ONLY = """\
table inet deaf {
	chain i { type filter hook prerouting priority raw; tcp flags & (syn | ack) == syn | ack drop; }
}
"""


def remembered(lab: Lab, version: int) -> int:
    listed = lab.balancer.run(("nft", "-j", "list", "map", "inet", "noidlb", f"sticky{version}")).stdout
    (found,) = (item["map"] for item in json.loads(listed)["nftables"] if "map" in item)
    return len(found.get("elem", []))


def test_a_client_is_remembered_when_its_connection_is_established(
    lab: Lab, balance: Balance, names: int, version: int
) -> None:
    balance(farm(lab, "tcp", ports=[names], sticky="5m"))
    lab.client.nft(SYN_ONLY)
    try:
        with Asked(lab.client, vip(version), names) as one:
            assert one.backend not in {"b1", "b2", "b3"}
        assert remembered(lab, version) == 0
    finally:
        lab.client.nft("delete table inet deaf")
    with Asked(lab.client, vip(version), names) as one:
        assert remembered(lab, version) == 1
        for _ in range(6):
            with Asked(lab.client, vip(version), names) as again:
                assert again.backend == one.backend


def test_where_the_map_is_full_clients_are_served(lab: Lab, balance: Balance, names: int) -> None:
    balance(farm(lab, "tcp", ports=[names], sticky="5m"))
    fill = (f"0x42000000 . 10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(STICKY_SIZE))
    lab.balancer.nft(f"add element inet noidlb sticky4 {{ {', '.join(f'{key} : 0x42010000' for key in fill)} }}")
    for _ in range(6):
        with Asked(lab.client, vip(4), names) as one:
            assert one.backend in {"b1", "b2", "b3"}
    status = balance.run("status").stdout
    assert "sticky clients of IPv4" not in status or f"sticky clients of IPv4: {STICKY_SIZE} of {STICKY_SIZE}" in status
