"""Which flows end with a change of the table: one decision, for the commands and for a guardian."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TypeAlias

from .table import Table

# A conntrack mark and the bits of it that count.
Match: TypeAlias = tuple[int, int]
# A VIP and a UDP port.
Service: TypeAlias = tuple[str, int]
_REFUSED = "goto refuse"


@dataclass(slots=True)
class Ending:
    """The flows that end: of these marks, by IP version; in UDP, of those marks; and those that ask these UDP services.

    untranslated are UDP services whose clients may have asked before there was a table: as long as such a client asks
    from one port, its packets belong to that first flow and meet no rule. These flows are forgotten, so that the next
    packet is balanced.
    """

    marks: set[tuple[int, Match]] = field(default_factory=set)
    udp: set[tuple[int, Match]] = field(default_factory=set)
    services: set[Service] = field(default_factory=set)
    untranslated: set[Service] = field(default_factory=set)

    def add(self, other: Ending) -> None:
        """Adds what another one ends."""
        self.marks |= other.marks
        self.udp |= other.udp
        self.services |= other.services
        self.untranslated |= other.untranslated


def never(_: int) -> bool:
    """Lets TCP flows go on, whatever farm they are of."""
    return False


def ending_of(old: Table | None, new: Table, *, cuts: Callable[[int], bool] = never) -> Ending:
    """Returns what ends when the new table takes the place of the old one; cuts tells of which farms all flows do.

    Flows in TCP go on unless they are cut. Those in UDP end with their backend, their farm or their service: a client
    that asks again from the same port would be sent where its flow leads as long as that lives, and unanswered requests
    of TFTP fill the kernel's table of expectations. Those of a farm that is only stopped go on.
    """
    ending = Ending()
    before, after = _services(old), _services(new)
    ending.untranslated = {
        _service(key)
        for key, farm in after.items()
        if key.startswith("udp") and farm and (not before.get(key) or _picks(new, farm) > _picks(old, farm))
    }
    if old is None or old.layout != new.layout:
        # There are no flows with marks that mean anything here.
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
        # One pass over all flows instead of one for each backend.
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
    """Returns the backends, by mark and IP version, that get no packets from now on, or at another address."""
    after = _targets(new)
    return {key for key, target in _targets(old).items() if not _is_same(target, after.get(key))}


def _targets(table: Table) -> dict[tuple[int, int], tuple[str, str]]:
    """Returns address and port of each backend by mark and IP version; the port is "" where the client's is kept."""
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
    """Returns the farm of each service, 0 where it refuses its clients."""
    if table is None:
        return {}
    return {
        key: 0 if verdict == _REFUSED else int(table.of(f"farm{version}").get(key, "0"), 16)
        for version in (4, 6)
        for key, verdict in table.of(f"service{version}").items()
    }


def _picks(table: Table | None, farm: int) -> int:
    """Returns in how many families a farm has a backend to pick."""
    return 0 if table is None else sum(f"{farm:#010x}" in table.of(f"pick{version}") for version in (4, 6))


def _service(key: str) -> Service:
    _, vip, port = key.split(" . ")
    return vip, int(port)
