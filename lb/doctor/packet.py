"""A symbolic packet at a hook of netfilter, and whether the match of a rule holds for it: no, maybe or yes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from ..address import IPAddress
from .rules import Clause, Match, Unknown

ABSENT = object()
"""The value of a field that the packet does not have at its hook: a match that reads it never holds."""

_ALL = 0xFFFF_FFFF
_ZERO = ("0x00000000", "0x0", "0")


class Holds(IntEnum):
    """Whether a match holds; MAYBE when it depends on the client, or on state that only the kernel has."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet of a farm's connection; fields are None when they depend on the client, ABSENT at hooks without them.

    statuses are the conntrack flags that its connection certainly has (None: it is not tracked yet), maybe those that
    it may have. marked is the mask of bits of the mark, of which at least one is set.
    """

    what: str
    version: int
    l4proto: str
    saddr: IPAddress | None = None
    daddr: IPAddress | None = None
    sport: int | None = None
    dport: int | None = None
    iif: object = None
    oif: object = None
    state: object = None
    statuses: frozenset[str] | None = frozenset()
    maybe: frozenset[str] = frozenset()
    direction: object = None
    original_daddr: object = None
    original_dport: object = None
    marked: int = 0
    is_reply: bool = False

    @property
    def nfproto(self) -> str:
        """The family, as nft names it in `meta nfproto`."""
        return f"ipv{self.version}"


def holds(clause: Clause, packet: Packet) -> Holds:
    """Returns whether a clause lets the packet pass to the next clause of its rule."""
    if isinstance(clause, Unknown):
        return _guess(clause.text, packet)
    if not isinstance(clause, Match):
        return Holds.YES
    if not speaks(clause.protocols, packet):
        return Holds.NO
    if clause.fields == ("status",):
        found = _status(clause, packet)
    elif clause.fields == ("ct mark",):
        found = _mark(clause, packet)
    elif clause.mask or any(_value(name, packet) is ABSENT for name in clause.fields):
        return Holds.MAYBE if clause.mask else Holds.NO
    elif clause.operator in ("==", "!="):
        found = any_of(clause.fields, clause.values, packet)
    else:
        found = _compare(clause, packet)
    return _inverse(found) if clause.operator == "!=" else found


def any_of(fields: Sequence[str], values: Sequence[str], packet: Packet) -> Holds:
    """Returns whether the fields have one of the values."""
    return max((_all_of(fields, value, packet) for value in values), default=Holds.NO)


def speaks(protocols: frozenset[str], packet: Packet) -> bool:
    """Returns whether the packet belongs to all these protocols."""
    return protocols <= {"ip" if packet.version == 4 else "ip6", packet.l4proto}


def _all_of(fields: Sequence[str], value: str, packet: Packet) -> Holds:
    parts = value.split(" . ") if len(fields) > 1 else [value]
    return min((_one(name, part.strip(), packet) for name, part in zip(fields, parts, strict=False)), default=Holds.NO)


def _one(name: str, wanted: str, packet: Packet) -> Holds:
    value = _value(name, packet)
    if value is ABSENT:
        return Holds.NO
    if value is None:
        return Holds.MAYBE
    try:
        return Holds.YES if _equals(name, value, wanted) else Holds.NO
    except ValueError:
        return Holds.MAYBE


def _value(name: str, packet: Packet) -> object:
    if name == "icmp":
        return ABSENT
    # None for a field that a Packet does not have, such as the packet's own mark.
    return getattr(packet, name.replace("-", "_"), None)


def _equals(name: str, value: object, wanted: str) -> bool:
    if name in ("saddr", "daddr", "original-daddr"):
        return _contains(wanted, value)
    if name in ("sport", "dport", "original-dport"):
        low, _, high = wanted.partition("-")
        return int(low) <= int(str(value)) <= int(high or low)
    if name in ("iif", "oif"):
        return fnmatchcase(str(value), wanted.strip('"'))
    if name == "nfproto":
        return value == {"ip": "ipv4", "ip6": "ipv6"}.get(wanted, wanted)
    numbers = {"6": "tcp", "17": "udp"}
    return str(value) in [numbers.get(one, one) for one in wanted.split(",")]


def _contains(wanted: str, value: object) -> bool:
    address = ip_address(str(value))
    if "-" in wanted:
        low, high = map(ip_address, wanted.split("-"))
        return low.version == address.version and int(low) <= int(address) <= int(high)
    network = ip_network(wanted, strict=False)
    return network.version == address.version and address in network


def _status(clause: Match, packet: Packet) -> Holds:
    if packet.statuses is None:
        return Holds.NO

    def has(flag: str) -> Holds:
        if flag in (packet.statuses or ()):
            return Holds.YES
        return Holds.MAYBE if flag in packet.maybe else Holds.NO

    wanted = {flag for value in clause.values for flag in value.split(",")}
    if clause.mask:
        parts = (has(flag) if flag in wanted else _inverse(has(flag)) for flag in clause.mask.split(","))
        return min(parts)
    return max(map(has, wanted))


def _mark(clause: Match, packet: Packet) -> Holds:
    if packet.statuses is None:
        return Holds.NO
    try:
        read = int(clause.mask, 0) if clause.mask else _ALL
    except ValueError:
        return Holds.MAYBE
    is_read = packet.marked and read & packet.marked == packet.marked
    return Holds.NO if is_read and all(value in _ZERO for value in clause.values) else Holds.MAYBE


def _compare(clause: Match, packet: Packet) -> Holds:
    value = _value(clause.fields[0], packet)
    wanted = clause.values[0] if clause.values else ""
    if not isinstance(value, int) or not wanted.isdecimal():
        return Holds.MAYBE
    number = int(wanted)
    truth = {"<": value < number, ">": value > number, "<=": value <= number, ">=": value >= number}
    return Holds.YES if truth[clause.operator] else Holds.NO


def _guess(text: str, packet: Packet) -> Holds:
    """Returns NO for an unparsed expression that is about another protocol than the packet's, else MAYBE."""
    first = text.split()[0]
    if first in ("icmp", "icmpv6", "igmp", "esp", "ah", "sctp", "dccp", "arp", "rt", "mh"):
        return Holds.NO
    if first in ("tcp", "udp") and first != packet.l4proto:
        return Holds.NO
    if first in ("ip", "ip6") and not speaks(frozenset({first}), packet):
        return Holds.NO
    return Holds.MAYBE


def _inverse(found: Holds) -> Holds:
    return Holds(Holds.YES - found)
