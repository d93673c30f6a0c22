"""Conntrack marks are shared: what other rules save there stays, and what they overwrite hurts no client."""

from __future__ import annotations

import re

import pytest

from integration.clients import Data, curl_ftp
from integration.lab import Lab, vip
from integration.lab.names import Asked
from integration.lb.balance import Balance, flows
from integration.lb.farms import farm
from integration.lb.visits import visit_ftp

pytestmark = pytest.mark.root

UPLINKS = """\
table inet uplinks {
	chain p { type filter hook prerouting priority mangle; ct state new ct mark set ct mark or 0x3f42; }
}
"""
# As iptables -t mangle -A POSTROUTING -j CONNMARK --save-mark, in the tutorials.
SAVES = """\
table inet saves {
	chain p { type filter hook postrouting priority mangle; ct mark set meta mark; }
}
"""


def marks(lab: Lab, version: int, port: int) -> set[int]:
    listed = flows(lab.balancer, version, "-p", "tcp", "--orig-port-dst", str(port))
    return {int(found[1]) for line in listed if (found := re.search(r" mark=(\d+)", line))}


@pytest.mark.parametrize("sticky", [False, True], ids=["", "sticky"])
def test_bits_of_others_are_kept(lab: Lab, balance: Balance, names: int, version: int, sticky: bool) -> None:
    lab.balancer.nft(UPLINKS)
    balance(farm(lab, "tcp", ports=[names], sticky="5m") if sticky else farm(lab, "tcp", ports=[names]))
    with Asked(lab.client, vip(version), names) as one:
        assert one.backend in {"b1", "b2", "b3"}
        (mark,) = marks(lab, version, names)
        assert mark & 0xFFFF == 0x3F42
        assert mark & 0x9FFF_0000


def test_bits_of_others_are_kept_when_the_backend_of_a_sticky_client_is_gone(
    lab: Lab, balance: Balance, names: int, version: int
) -> None:
    lab.balancer.nft(UPLINKS)
    balance(farm(lab, "tcp", ports=[names], sticky="5m"))
    with Asked(lab.client, vip(version), names) as one:
        first = one.backend
    balance.down("farm", first, cut=True)
    with Asked(lab.client, vip(version), names) as one:
        assert one.backend in {"b1", "b2", "b3"} - {first}
        (mark,) = marks(lab, version, names)
        assert mark & 0xFFFF == 0x3F42
        assert mark & 0x9FFF_0000


def test_the_range_can_be_set(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names]) + "[service]\nmarks = 0xffff\n")
    lab.balancer.nft(UPLINKS.replace("0x3f42", "0x12340000"))
    with Asked(lab.client, vip(version), names) as one:
        assert one.backend in {"b1", "b2", "b3"}
        (mark,) = marks(lab, version, names)
        assert mark >> 16 == 0x1234
        assert mark & 0xFFFF
    balance.down("farm", one.backend, cut=True)
    assert not marks(lab, version, names) - {0}


def test_marks_that_are_overwritten_hurt_no_client(
    lab: Lab, balance: Balance, names: int, version: int, mode: str
) -> None:
    lab.balancer.nft(SAVES)
    balance(farm(lab, "ftp", mode=mode) + farm(lab, "tcp", name="names", mode=mode, ports=[names]))
    with Asked(lab.client, vip(version), names) as one:
        assert one.backend in {"b1", "b2", "b3"}
    for data in Data:
        if version == 4 or data.is_extended:
            visit_ftp(lab, curl_ftp, vip(version), data, file="small")
