"""Ids and conntrack marks of farms and backends, from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

from ..farm import MAX_BACKENDS, Farm

# The bits of a conntrack mark that are ours unless the configuration says otherwise. The low half is left to others:
# uplinks are marked with 1 and 2 in most instructions, and with 0x3f00 or 0xff00 by most programs.
FEW, MANY = 0x9FFF_0000, 0x9FFF_FF00
# Bits 29 and 30: pair_rules.py marks sessions there that cannot be handed over.
PAIR_MASK = 0x6000_0000
_BACKEND_BITS = 8
# For three farms.
MIN_BITS = _BACKEND_BITS + 3
# So many farms have a round-robin counter of their own; more of them share.
LANES = 64


@dataclass(frozen=True)
class Layout:
    """Which bits of a conntrack mark are ours, and what they hold.

    The lowest 8 of them are the backend's, the highest says that a sticky client is to be remembered, and those between
    are the farm's. The other bits of a mark are somebody else's, and never changed.
    """

    mask: int = FEW

    @cached_property
    def bits(self) -> tuple[int, ...]:
        """Each of our bits, from the lowest on."""
        return tuple(1 << number for number in range(32) if self.mask >> number & 1)

    @cached_property
    def backend(self) -> int:
        """The bits of the backend."""
        return sum(self.bits[:_BACKEND_BITS])

    @cached_property
    def farm(self) -> int:
        """The bits of the farm."""
        return sum(self.bits[_BACKEND_BITS:-1])

    @property
    def flow(self) -> int:
        """The bits that tell whose a flow is: those of farm and backend."""
        return self.farm | self.backend

    @property
    def pending(self) -> int:
        """The bit of a sticky client that is to be remembered when its connection is established."""
        return self.bits[-1]

    @property
    def farms(self) -> int:
        """How many farms can be told apart."""
        return (1 << len(self.bits) - _BACKEND_BITS - 1) - 1

    def match(self, mark: int) -> tuple[int, int]:
        """Returns what the flows of a backend, or of all of a farm's, have in their marks, and in which bits."""
        mask = self.flow if mark & self.backend else self.farm
        return mark & mask, mask

    def place(self, farm: int, backend: int = 0) -> int:
        """Returns the mark of a farm's number and a backend's."""
        number = farm << _BACKEND_BITS | backend
        return sum(bit for position, bit in enumerate(self.bits[:-1]) if number >> position & 1)


def layout_of(farms: tuple[Farm, ...]) -> Layout:
    """Returns the layout of the marks of these farms: the configured one, or else one with bits enough."""
    chosen = next((farm.marks for farm in farms if farm.marks is not None), None)
    if chosen is not None:
        return Layout(chosen)
    few = Layout(FEW)
    return few if len(farms) <= few.farms else Layout(MANY)


def allocate(names: Iterable[str], size: int) -> dict[str, int]:
    """Gives each name a number of 0..size-1, by its hash, so that another name coming or going moves few or none.

    Numbers are distinct while there are no more names than numbers; the order of the names does not matter.
    """
    numbers: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(names):
        number = crc32(name.encode()) % size
        if len(taken) < size:
            while number in taken:
                number = (number + 1) % size
        taken.add(number)
        numbers[name] = number
    return numbers


@dataclass(frozen=True)
class Marks:
    """The marks of a set of farms; two balancers with the same farms, and a restart, agree on them."""

    farms: tuple[Farm, ...]

    @cached_property
    def layout(self) -> Layout:
        """Where in a mark they are."""
        return layout_of(self.farms)

    @cached_property
    def _farm_numbers(self) -> dict[str, int]:
        return allocate((farm.name for farm in self.farms), self.layout.farms)

    @cached_property
    def lanes(self) -> dict[str, int]:
        """The round-robin counter of each farm."""
        return allocate((farm.name for farm in self.farms), LANES)

    @cached_property
    def _backend_numbers(self) -> Mapping[str, dict[str, int]]:
        return {farm.name: allocate((one.name for one in farm.backends), MAX_BACKENDS) for farm in self.farms}

    def farm(self, farm: Farm) -> int:
        """Returns the mark of a farm, which that of each of its backends begins with."""
        return self._bases[farm.name]

    def backend(self, farm: Farm, name: str) -> int:
        """Returns the mark of the flows of one backend."""
        return self._bases[farm.name] | self.layout.place(0, self._backend_numbers[farm.name][name] + 1)

    def flows(self, counts: Mapping[int, int]) -> dict[int, int]:
        """Returns the counts of flows by our part of their marks; those that have none of it are left out."""
        found: dict[int, int] = {}
        for mark, number in counts.items():
            own = mark & self.layout.flow
            if own & self.layout.farm:
                found[own] = found.get(own, 0) + number
        return found

    def busy(self, farms: Iterable[Farm], counts: Mapping[int, int]) -> list[tuple[int, int]]:
        """Returns what the flows of those of the farms that have any are matched by, given counts of flows by mark."""
        found = {mark & self.layout.farm for mark in counts}
        return [self.layout.match(mark) for farm in farms if (mark := self.farm(farm)) in found]

    @cached_property
    def _bases(self) -> dict[str, int]:
        return {name: self.layout.place(number + 1) for name, number in self._farm_numbers.items()}

    @cached_property
    def names(self) -> dict[int, str]:
        """The backends by mark, as farm/backend."""
        return {
            self.backend(farm, backend.name): f"{farm.name}/{backend.name}"
            for farm in self.farms
            for backend in farm.backends
        }
