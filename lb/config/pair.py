"""The table [pair]: two balancers that stand in for each other, as frozen values validated on construction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import TypeAlias

from ..address import IPAddress, address_order, host_errors, is_special
from ..errors import FarmError, require
from ..farm import NAME_RULE, Farm, Mode, is_name
from .schema import Reader, addresses, build, duration, flag, integer, one_or_more, shown, table_of, text_of

IPInterface: TypeAlias = IPv4Interface | IPv6Interface

# Names that the kernel accepts, without characters that have a meaning in keepalived.conf or conntrackd.conf.
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """An interface of a balancer and its own addresses there, which never move; at most one of each family."""

    interface: str
    address: tuple[IPInterface, ...]

    def __post_init__(self) -> None:
        known = _INTERFACE.fullmatch(self.interface) is not None
        require(known, "interface", "must be the name of an interface: 1 to 15 letters, digits, '.', '_' or '-'")
        require(bool(self.address), "address", "must hold at least one address")
        single = len({one.version for one in self.address}) == len(self.address)
        require(single, "address", "must hold at most one address of each family")
        _require_hosts((one.ip for one in self.address), "address")

    def address_of(self, version: int) -> IPInterface | None:
        """Returns its address of IP version 4 or 6, or None."""
        return next((one for one in self.address if one.version == version), None)

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions of its addresses, 4 first."""
        return tuple(sorted(one.version for one in self.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One balancer; the higher priority serves. Its legs lead to the other node (sync), clients and backends."""

    name: str
    priority: int
    sync: Leg
    service: Leg
    backend: Leg

    def __post_init__(self) -> None:
        require(is_name(self.name), "name", NAME_RULE)
        # In VRRP, 255 is the owner of the address, which no other node replaces, and 0 says that a node leaves.
        require(1 <= self.priority <= 254, "priority", f"must be 1 to 254, not {self.priority}")
        require(len(self.sync.address) == 1, "sync.address", "must be one address: entries travel over one family")

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """All of its own addresses."""
        return tuple(one.ip for leg in (self.sync, self.service, self.backend) for one in leg.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both balancers, and what they share; times in seconds.

    source holds the addresses that backends see as client in mode snat and have as gateway in mode dnat, at most one of
    each family: they move with the VIPs. router_ids are VRRP's, for the clients' side and the backends'.
    """

    nodes: tuple[Node, ...]
    source: tuple[IPAddress, ...] = ()
    router_ids: tuple[int, ...] = (51, 52)
    advert_interval: float = 0.2
    preempt: bool = False
    preempt_delay: float = 30.0
    sync_port: int = 3780

    def __post_init__(self) -> None:
        require(len(self.nodes) == 2, "nodes", f"must be two, not {len(self.nodes)}")
        first, second = self.nodes
        self._require_legs(first, second)
        distinct = first.priority != second.priority
        require(distinct, f"nodes.{second.name}.priority", f"must not be that of {first.name}: one of them has to win")
        twice = set(first.addresses) & set(second.addresses)
        require(not twice, f"nodes.{second.name}", f"must not have an address of {first.name}: {_listed(twice)}")
        single = len({one.version for one in self.source}) == len(self.source)
        require(single, "source", "must hold at most one address of each family")
        _require_hosts(self.source, "source")
        fixed = set(self.source) & {*first.addresses, *second.addresses}
        require(not fixed, "source", f"must not be a node's own address, for it has to move: {_listed(fixed)}")
        ids = self.router_ids
        sound = len(ids) == 2 and len(set(ids)) == 2 and all(1 <= one <= 255 for one in ids)
        require(sound, "router-ids", "must be two different numbers of 1 to 255")
        # VRRP has 12 bits for hundredths of a second; below 0.1 s, a busy node would look dead.
        bounded = 0.1 <= self.advert_interval <= 40
        require(bounded, "advert-interval", f"must be 100ms to 40s, not {self.advert_interval:g}s")
        bounded = 0 <= self.preempt_delay <= 1000
        require(bounded, "preempt-delay", f"must be 0 to 1000s, not {self.preempt_delay:g}s")
        require(1 <= self.sync_port <= 65535, "sync-port", f"must be 1 to 65535, not {self.sync_port}")

    def peer(self, node: Node) -> Node:
        """Returns the other node."""
        return self.nodes[1] if node == self.nodes[0] else self.nodes[0]

    def source_of(self, version: int) -> IPAddress | None:
        """Returns the moving address on the backends' side for IP version 4 or 6, or None."""
        return next((one for one in self.source if one.version == version), None)

    def moving(self, farms: tuple[Farm, ...]) -> tuple[list[IPAddress], list[IPAddress]]:
        """Returns the VIPs and the addresses on the backends' side, which all move together; IPv4 first."""
        vips = {vip for farm in farms for vip in farm.vip}
        # In mode dnat no farm has a source, but the backends route by the pair's.
        sources = {*self.source, *(one for farm in farms for one in farm.source)} - vips
        return sorted(vips, key=address_order), sorted(sources, key=address_order)

    def _require_legs(self, first: Node, second: Node) -> None:
        for kind in ("sync", "service", "backend"):
            one, other = getattr(first, kind), getattr(second, kind)
            path = f"nodes.{second.name}.{kind}.address"
            require(one.versions == other.versions, path, f"must be of the families of {first.name}'s")
            for version in one.versions:
                here, there = one.address_of(version), other.address_of(version)
                require(here.network == there.network, path, f"must be in {here.network}, as {first.name}'s is")


def with_sources(farms: tuple[Farm, ...], pair: Pair) -> tuple[Farm, ...]:
    """Gives the farms in mode snat the source that moves with the VIPs, for each family in which they have none.

    FarmError when an address that moves is a node's own or a backend's, or a backend's is a node's: keepalived would
    take it away from its holder, and conntrackd copies no flows of a node's own addresses.
    """
    own = {address: f"node {node.name}" for node in pair.nodes for address in node.addresses}
    fixed = own | dict.fromkeys(pair.source, "pair.source")
    made = []
    for farm in farms:
        _require_free(farm.vip, fixed, f"farms.{farm.name}.vip")
        _require_free(farm.source, own, f"farms.{farm.name}.source")
        for number, backend in enumerate(farm.backends):
            _require_free(backend.address, fixed, f"farms.{farm.name}.backends[{number}].address")
        lacks = {*farm.versions} - {one.version for one in farm.source}
        more = tuple(one for one in pair.source if one.version in lacks) if farm.mode is Mode.SNAT else ()
        for error in host_errors(more, "pair.source"):
            # In mode dnat it may be link-local, as IPv6 routers are, because the table does not contain it.
            raise error
        made.append(replace(farm, source=(*farm.source, *more)) if more else farm)
    return tuple(made)


def _require_free(addresses: Iterable[IPAddress], holders: Mapping[IPAddress, str], path: str) -> None:
    for one in addresses:
        if one in holders:
            raise FarmError(path, f"must not be {one}, which belongs to {holders[one]}")


def _require_hosts(addresses: Iterable[IPAddress], path: str) -> None:
    for one in addresses:
        usable = not is_special(one) and not getattr(one, "scope_id", None)
        require(usable, path, "must be an address of one host on the network, without a zone")


def _listed(addresses: set[IPAddress]) -> str:
    return ", ".join(sorted(map(str, addresses)))


def pair_of(value: object) -> Pair:
    """Reads the table [pair] as tomllib returns it; FarmError."""
    return build(Pair, _PAIR, {"nodes": "[pair.nodes.lb1]"}, value, "pair")


def _nodes(value: object, path: str) -> tuple[Node, ...]:
    nodes = []
    for name, table in table_of(value, path).items():
        if not is_name(name):
            raise FarmError(f"{path}.{shown(name)}", f"the name {NAME_RULE}")
        nodes.append(build(partial(Node, name=name), _NODE, _NODE_EXAMPLES, table, f"{path}.{name}"))
    return tuple(nodes)


def _interface_address(value: object, path: str, what: str) -> IPInterface:
    text = text_of(value, path, what)
    try:
        found = ip_interface(text)
    except ValueError:
        found = None
    if found is None or "/" not in text:
        message = f'must be an address with its prefix, like "192.0.2.2/24", not {shown(text)}'
        raise FarmError(path, message)
    return found


_LEG: dict[str, Reader] = {
    "interface": text_of,
    "address": partial(one_or_more, _interface_address, "a string"),
}
_LEG_EXAMPLES = {"interface": 'interface = "eth0"', "address": 'address = "192.0.2.2/24"'}
_NODE: dict[str, Reader] = {
    "priority": integer,
    **dict.fromkeys(("sync", "service", "backend"), partial(build, Leg, _LEG, _LEG_EXAMPLES)),
}
_NODE_EXAMPLES = {
    "priority": "priority = 130",
    "sync": 'sync = { interface = "eth2", address = "172.31.0.1/30" }',
    "service": 'service = { interface = "eth0", address = "192.0.2.2/24" }',
    "backend": 'backend = { interface = "eth1", address = "10.0.1.2/24" }',
}
_PAIR: dict[str, Reader] = {
    "nodes": _nodes,
    "source": addresses,
    "router-ids": partial(one_or_more, integer, "an integer"),
    "advert-interval": duration,
    "preempt": flag,
    "preempt-delay": duration,
    "sync-port": integer,
}
