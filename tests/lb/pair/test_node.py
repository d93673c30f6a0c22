from __future__ import annotations

from ipaddress import ip_address

from noidlb.pair.node import this_node

from tests.support.lb.pairs import node, pair


def test_a_node_is_known_by_any_of_its_addresses() -> None:
    assert this_node(pair(), lambda one: one == ip_address("10.20.0.3")) == node(2)
    assert this_node(pair(), lambda _: False) is None
