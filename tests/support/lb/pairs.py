"""Pairs as the tests need them."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

from noidlb.config.pair import Leg, Node, Pair
from noidlb.farm import Backend, Farm, Protocol

NAMES = ("lb1", "lb2")


def leg(interface: str, *addresses: str) -> Leg:
    return Leg(interface=interface, address=tuple(ip_interface(one) for one in addresses))


def node(number: int, *, sync: str = "sync") -> Node:
    own = number + 1
    return Node(
        name=f"lb{number}",
        priority=150 - 20 * number,
        sync=leg(sync, f"172.31.0.{number}/30"),
        service=leg("front", f"10.10.0.{own}/24", f"fd00:10::{own}/64"),
        backend=leg("back", f"10.20.0.{own}/24", f"fd00:20::{own}/64"),
    )


def pair(*sources: str, **settings: object) -> Pair:
    return Pair(
        nodes=(node(1), node(2)),
        source=tuple(ip_address(one) for one in sources or ("10.20.0.100", "fd00:20::100")),
        **settings,  # type: ignore[arg-type]
    )


def backend(name: str, *addresses: str) -> Backend:
    return Backend(name=name, address=tuple(map(ip_address, addresses)))


def ftp(**settings: object) -> Farm:
    given: dict[str, object] = {
        "vip": (ip_address("10.10.0.100"), ip_address("fd00:10::100")),
        "backends": (backend("b1", "10.20.0.111", "fd00:20::111"),),
        **settings,
    }
    return Farm(**{"name": "ftp", "protocol": Protocol.FTP, **given})  # type: ignore[arg-type]
