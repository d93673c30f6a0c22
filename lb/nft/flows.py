"""Decides which flows end with a change of the table; the commands and the guardian share this decision.

A flow is an entry of the kernel's conntrack table. Its translation (DNAT to a backend) is decided by its first packet
and then kept in the entry: a changed map changes nothing for flows that exist. That is right for TCP, whose sessions
finish with the backend that they began with. It is wrong for UDP, where each request of a client from the same port
renews the old entry, and so reaches the dead backend again. Hence:

    TCP   flows go on; with cut-connections = true in the farm's guardian, they end with their backend
    UDP   flows end with their backend, with their farm, and with their service (VIP and port); and when a service
          begins to serve, those that lead to none of its backends
    both  flows of a farm that the operator stops go on

A service begins to serve when it is new, was stopped, had no backend or was another farm's, and when there was no table
or one with other marks. The old table then does not say which of its flows lead to a backend that is gone: it has no
backends of a stopped farm. conntrack.py finds these flows by the source of their replies, which is the backend. It does
so too when a backend of several ports moves for some of them only, because its mark is the same for all of them.

When every backend of a farm loses its flows, the farm is matched as a whole: one pass over all flows instead of one for
each backend.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TypeAlias

from .table import Table, mark_text

# A conntrack mark and its mask.
Match: TypeAlias = tuple[int, int]
# A VIP and a UDP port.
Service: TypeAlias = tuple[str, int]
# Address and UDP port of a backend.
Target: TypeAlias = tuple[str, int]
_REFUSED = "goto refuse"
_Marks: TypeAlias = defaultdict[tuple[int, int], set[int]]


@dataclass(slots=True)
class Ending:
    """The flows that end: by IP version and mark (marks: all of them, udp: UDP flows only), or by UDP service.

    elsewhere has the backends of UDP services that begin to serve: flows of a service to any other target end. Flows
    from before the table existed are not translated, others lead to a backend that went down meanwhile. Packets of such
    a client from the same port belong to that flow and meet no rule; once it is deleted, the next packet is balanced.
    """

    marks: set[tuple[int, Match]] = field(default_factory=set)
    udp: set[tuple[int, Match]] = field(default_factory=set)
    services: set[Service] = field(default_factory=set)
    elsewhere: dict[Service, frozenset[Target]] = field(default_factory=dict)

    def add(self, other: Ending) -> None:
        """Adds the flows of another Ending."""
        self.marks |= other.marks
        self.udp |= other.udp
        self.services |= other.services
        self.elsewhere |= other.elsewhere


def never(_: int) -> bool:
    """Tells for every farm that its TCP flows do not end."""
    return False


def ending_of(old: Table | None, new: Table, *, cuts: Callable[[int], bool] = never) -> Ending:
    """Returns the flows that end when the new table replaces the old one.

    cuts() tells by a farm's mark whether TCP flows end too. Unanswered TFTP requests are one more reason for UDP flows:
    each holds a place in the kernel's table of expectations, which all farms share.
    """
    ending = Ending()
    before, after, layout = _services(old), _services(new), new.layout
    # Marks of another layout have no meaning in the new table, but services do.
    marked = old if old is not None and old.layout == layout else None
    begun = {
        key: farm
        for key, farm in after.items()
        if key.startswith("udp") and farm
        if marked is None or before.get(key) != farm or _picks(new, farm) > _picks(marked, farm)
    }
    if marked is not None:
        served = {key: farm for key, farm in after.items() if key.startswith("udp") and farm and key not in begun}
        begun |= _moved(marked, new, served) if served else {}
    ending.elsewhere = _led(begun, new)
    if marked is None:
        ending.services = {_service(key) for key in before.keys() - after.keys() if key.startswith("udp")}
        return ending
    targets, gone = _by_farm(marked, new)
    udp = {farm for key, farm in before.items() if key.startswith("udp")}
    serving = set(after.values())
    stopped = {farm for key, farm in before.items() if after.get(key) == 0}
    removed = set(before.values()) - serving - stopped - {0}
    for farm, version in product(removed | {farm for farm, _ in gone}, (4, 6)):
        if farm in stopped and farm not in serving:
            continue
        lost = gone[farm, version]
        # The whole farm by one match, see above.
        marks = {farm} if farm in removed or (lost and lost == targets[farm, version]) else lost
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


def _by_farm(old: Table, new: Table) -> tuple[_Marks, _Marks]:
    """Returns the marks of all backends, and of those that the new table lacks or has at another address.

    Both are keyed by the farm's mark and the IP version.
    """
    after, found, gone = _targets(new), _Marks(set), _Marks(set)
    for (mark, version), target in _targets(old).items():
        farm = mark & new.layout.farm
        found[farm, version].add(mark)
        if not _is_same(target, after.get((mark, version))):
            gone[farm, version].add(mark)
    return found, gone


def _moved(old: Table, new: Table, services: Mapping[str, int]) -> dict[str, int]:
    """Returns the UDP services with a backend that stays but has another port now.

    A backend without a port of its own (it keeps the client's) that gets one moves for some services only.
    """
    before, after = _targets(old), _targets(new)
    changed = {
        (mark & new.layout.farm, version)
        for (mark, version), target in before.items()
        if _is_same(target, other := after.get((mark, version))) and target != other
    }
    may = {key: farm for key, farm in services.items() if (farm, _version(key)) in changed}
    then, now = _led(may, old), _led(may, new)
    return {key: farm for key, farm in may.items() if then[_service(key)] - now[_service(key)]}


def _targets(table: Table) -> dict[tuple[int, int], tuple[str, str]]:
    """Returns the targets of both IP versions by mark and version."""
    return {(mark, version): target for version in (4, 6) for mark, target in table.targets(version).items()}


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


def _picks(table: Table, farm: int) -> int:
    """Returns the number of IP families in which a farm has a backend to pick."""
    return sum(mark_text(farm) in table.of(f"pick{version}") for version in (4, 6))


def _led(services: Mapping[str, int], table: Table) -> dict[Service, frozenset[Target]]:
    """Returns the backends of each service in the table; services maps a service to the mark of its farm."""
    if not services:
        return {}
    targets = defaultdict(set)
    for (mark, version), target in _targets(table).items():
        targets[mark & table.layout.farm, version].add(target)
    found = {}
    for key, farm in services.items():
        vip, asked = service = _service(key)
        led = targets[farm, _version(vip)]
        found[service] = frozenset((address, int(port or asked)) for address, port in led)
    return found


def _version(text: str) -> int:
    return 6 if ":" in text else 4


def _service(key: str) -> Service:
    _, vip, port = key.split(" . ")
    return vip, int(port)
