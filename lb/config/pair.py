"""Two balancers that stand in for each other: frozen values, validated on construction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface, IPv6Interface
from typing import TypeAlias

from ..farm import NAME_RULE, Farm, FarmError, IPAddress, Mode, is_name

IPInterface: TypeAlias = IPv4Interface | IPv6Interface

# What the kernel takes as a name, without what the two configuration languages would read as something else.
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """An interface of a balancer and its own addresses there, which never move; at most one of each family."""

    interface: str
    address: tuple[IPInterface, ...]

    def __post_init__(self) -> None:
        known = _INTERFACE.fullmatch(self.interface) is not None
        _require(known, "interface", "must be the name of an interface: 1 to 15 letters, digits, '.', '_' or '-'")
        _require(bool(self.address), "address", "must hold at least one address")
        single = len({one.version for one in self.address}) == len(self.address)
        _require(single, "address", "must hold at most one address of each family")
        _require_hosts((one.ip for one in self.address), "address")

    def address_of(self, version: int) -> IPInterface | None:
        """Returns its address of IP version 4 or 6, or None."""
        return next((one for one in self.address if one.version == version), None)

    @property
    def versions(self) -> tuple[int, ...]:
        """The families that it speaks, IPv4 first."""
        return tuple(sorted(one.version for one in self.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One balancer: the higher priority serves. sync leads to the other node, service to clients and backend back."""

    name: str
    priority: int
    sync: Leg
    service: Leg
    backend: Leg

    def __post_init__(self) -> None:
        _require(is_name(self.name), "name", NAME_RULE)
        # 255 means an owner of the address, whom nobody can stand in for; 0 is how a node says that it leaves.
        _require(1 <= self.priority <= 254, "priority", f"must be 1 to 254, not {self.priority}")
        _require(len(self.sync.address) == 1, "sync.address", "must be one address: entries travel over one family")

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """All of its own addresses."""
        return tuple(one.ip for leg in (self.sync, self.service, self.backend) for one in leg.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both balancers, and what they share; times in seconds.

    source holds the addresses that the backends see in mode snat and route by in mode dnat, at most one of each
    family: they move with the VIPs. router_ids are VRRP's, for the clients' side and the backends'.
    """

    nodes: tuple[Node, ...]
    source: tuple[IPAddress, ...] = ()
    router_ids: tuple[int, ...] = (51, 52)
    advert_interval: float = 0.2
    preempt: bool = False
    preempt_delay: float = 30.0
    sync_port: int = 3780

    def __post_init__(self) -> None:
        _require(len(self.nodes) == 2, "nodes", f"must be two, not {len(self.nodes)}")
        first, second = self.nodes
        self._require_legs(first, second)
        distinct = first.priority != second.priority
        _require(distinct, f"nodes.{second.name}.priority", f"must not be that of {first.name}: one of them has to win")
        twice = set(first.addresses) & set(second.addresses)
        _require(not twice, f"nodes.{second.name}", f"must not have an address of {first.name}: {_listed(twice)}")
        single = len({one.version for one in self.source}) == len(self.source)
        _require(single, "source", "must hold at most one address of each family")
        _require_hosts(self.source, "source")
        fixed = set(self.source) & {*first.addresses, *second.addresses}
        _require(not fixed, "source", f"must not be a node's own address, for it has to move: {_listed(fixed)}")
        ids = self.router_ids
        sound = len(ids) == 2 and len(set(ids)) == 2 and all(1 <= one <= 255 for one in ids)
        _require(sound, "router-ids", "must be two different numbers of 1 to 255")
        # VRRP counts in hundredths, in 12 bits; below a tenth a busy machine would look dead.
        bounded = 0.1 <= self.advert_interval <= 40
        _require(bounded, "advert-interval", f"must be 100ms to 40s, not {self.advert_interval:g}s")
        bounded = 0 <= self.preempt_delay <= 1000
        _require(bounded, "preempt-delay", f"must be 0 to 1000s, not {self.preempt_delay:g}s")
        _require(1 <= self.sync_port <= 65535, "sync-port", f"must be 1 to 65535, not {self.sync_port}")

    def node(self, name: str) -> Node | None:
        """Returns the node of a name."""
        return next((node for node in self.nodes if node.name == name), None)

    def peer(self, node: Node) -> Node:
        """Returns the other one."""
        return self.nodes[1] if node == self.nodes[0] else self.nodes[0]

    def source_of(self, version: int) -> IPAddress | None:
        """Returns the moving address on the backends' side for IP version 4 or 6, or None."""
        return next((one for one in self.source if one.version == version), None)

    def _require_legs(self, first: Node, second: Node) -> None:
        for kind in ("sync", "service", "backend"):
            one, other = getattr(first, kind), getattr(second, kind)
            path = f"nodes.{second.name}.{kind}.address"
            _require(one.versions == other.versions, path, f"must be of the families of {first.name}'s")
            for version in one.versions:
                here, there = one.address_of(version), other.address_of(version)
                _require(here.network == there.network, path, f"must be in {here.network}, as {first.name}'s is")


def digest_of(text: str) -> str:
    """Returns the SHA-256 of a farms file, which must be the same on both nodes."""
    return hashlib.sha256(text.encode()).hexdigest()


def with_sources(farms: tuple[Farm, ...], pair: Pair) -> tuple[Farm, ...]:
    """Gives the farms in mode snat that have no source of their own the one that moves with the VIPs; FarmError."""
    own = {address: node for node in pair.nodes for address in node.addresses}
    made = []
    for farm in farms:
        for vip in farm.vip:
            if vip in own or vip in pair.source:
                holder = "pair.source" if vip in pair.source else f"node {own[vip].name}"
                raise FarmError(f"farms.{farm.name}.vip", f"must not be {vip}, which belongs to {holder}")
        versions = {vip.version for vip in farm.vip}
        source = tuple(one for one in pair.source if one.version in versions)
        wanted = farm.mode is Mode.SNAT and not farm.source and source
        made.append(replace(farm, source=source) if wanted else farm)
    return tuple(made)


def _require_hosts(addresses: Iterable[IPAddress], path: str) -> None:
    for one in addresses:
        unusable = one.is_multicast or one.is_unspecified or one.is_loopback or getattr(one, "scope_id", None)
        _require(not unusable, path, "must be an address of one host on the network, without a zone")


def _listed(addresses: set[IPAddress]) -> str:
    return ", ".join(sorted(map(str, addresses)))


def _require(holds: bool, path: str, message: str) -> None:
    if not holds:
        raise FarmError(path, message)
