"""Decides which flows end with a change of the table; the commands and the guardian share this decision.

A flow is an entry of the kernel's conntrack table. Its translation (DNAT to a backend) is decided by its first packet
and then kept in the entry: a changed map changes nothing for flows that exist. That is right for TCP, whose sessions
finish with the backend that they began with. It is wrong for UDP, where a client that asks again from the same port
renews the old entry, and so meets the dead backend as long as it asks. Hence:

    TCP   flows go on; with cut-connections = true in the farm's guardian, they end with their backend
    UDP   flows end with their backend, with their farm, and with their service (VIP and port); also those that began
          before the farm had a table or a backend, which have no translation at all
    both  flows of a farm that the operator stops go on

When every backend of a farm loses its flows, the farm is matched as a whole: one pass over all flows instead of one for
each backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TypeAlias

from .table import Table

# A conntrack mark and its mask.
Match: TypeAlias = tuple[int, int]
# A VIP and a UDP port.
Service: TypeAlias = tuple[str, int]
_REFUSED = "goto refuse"


@dataclass(slots=True)
class Ending:
    """The flows that end: by IP version and mark (marks: all of them, udp: UDP flows only), or by UDP service.

    untranslated are UDP services whose clients may have asked before the table existed. While such a client asks from
    the same port, its packets belong to that first flow and meet no rule; when the flow is deleted, its next packet is
    balanced.
    """

    marks: set[tuple[int, Match]] = field(default_factory=set)
    udp: set[tuple[int, Match]] = field(default_factory=set)
    services: set[Service] = field(default_factory=set)
    untranslated: set[Service] = field(default_factory=set)

    def add(self, other: Ending) -> None:
        """Adds the flows of another Ending."""
        self.marks |= other.marks
        self.udp |= other.udp
        self.services |= other.services
        self.untranslated |= other.untranslated


def never(_: int) -> bool:
    """Cuts the flows of no farm."""
    return False


def ending_of(old: Table | None, new: Table, *, cuts: Callable[[int], bool] = never) -> Ending:
    """Returns the flows that end when the new table replaces the old one.

    cuts says of a farm's mark whether TCP flows end too. Unanswered TFTP requests are one more reason to end UDP flows:
    each holds a place in the kernel's table of expectations, which all farms share.
    """
    ending = Ending()
    before, after = _services(old), _services(new)
    ending.untranslated = {
        _service(key)
        for key, farm in after.items()
        if key.startswith("udp") and farm and (not before.get(key) or _picks(new, farm) > _picks(old, farm))
    }
    if old is None or old.layout != new.layout:
        # No flow has a mark that this table understands.
        return ending
    layout = new.layout
    gone = _gone(old, new)
    udp = {farm for key, farm in before.items() if key.startswith("udp")}
    serving = set(after.values())
    stopped = {farm for key, farm in before.items() if after.get(key) == 0}
    removed = set(before.values()) - serving - stopped - {0}
    for farm, version in product(removed | {mark & layout.farm for mark, _ in gone}, (4, 6)):
        if farm in stopped and farm not in serving:
            continue
        targets = {key for key in _targets(old) if key[0] & layout.farm == farm and key[1] == version}
        # The whole farm by one match, see above.
        whole = farm in removed or (bool(targets) and targets <= gone)
        marks = {farm} if whole else {mark for mark, _ in targets & gone}
        matches = {(version, layout.match(mark)) for mark in marks}
        if cuts(farm):
            ending.marks |= matches
        elif farm in udp:
            ending.udp |= matches
    ending.services = {
        _service(key)
        for key, farm in before.items()
        if key.startswith("udp") and key not in after and farm not in removed
    }
    return ending


def _gone(old: Table, new: Table) -> set[tuple[int, int]]:
    """Returns mark and IP version of each backend that the new table lacks or has at another address."""
    after = _targets(new)
    return {key for key, target in _targets(old).items() if not _is_same(target, after.get(key))}


def _targets(table: Table) -> dict[tuple[int, int], tuple[str, str]]:
    """Returns address and port of each backend by mark and IP version; port "" keeps the port that the client asked."""
    found = {}
    for version in (4, 6):
        for kind in ("host", "backend"):
            for mark, target in table.of(f"{kind}{version}").items():
                address, _, port = target.partition(" . ")
                found[int(mark, 16), version] = address, port
    return found


def _is_same(one: tuple[str, str], other: tuple[str, str] | None) -> bool:
    return other is not None and one[0] == other[0] and (one[1] == other[1] or not (one[1] and other[1]))


def _services(table: Table | None) -> Mapping[str, int]:
    """Returns the mark of each service's farm, 0 for one that refuses its clients or has another program's verdict."""
    if table is None:
        return {}
    return {
        key: int(table.of(f"farm{version}").get(key, "0"), 16) if _is_served(verdict) else 0
        for version in (4, 6)
        for key, verdict in table.of(f"service{version}").items()
    }


def _is_served(verdict: str) -> bool:
    # Verdicts such as accept are another program's.
    return verdict.startswith("goto ") and verdict != _REFUSED


def _picks(table: Table | None, farm: int) -> int:
    """Returns the number of IP families in which a farm has a backend to pick."""
    return 0 if table is None else sum(f"{farm:#010x}" in table.of(f"pick{version}") for version in (4, 6))


def _service(key: str) -> Service:
    _, vip, port = key.split(" . ")
    return vip, int(port)
