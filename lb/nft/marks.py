"""Computes the conntrack marks of farms and backends from the configuration alone.

The mark of a connection holds its farm and its backend; `conntrack -L -m` and `-D -m` find connections by it.
config/mark_layout.py says which bits hold them.

The number of a farm is a hash of its name, the number of a backend a hash of its name within the farm; where two names
have the same hash, the second one in the file takes the next free number. So two balancers with the same file, and one
balancer before and after a restart, compute the same marks without exchanging anything. A farm that is added behind the
others changes no number of theirs; one that is added before them, or removed, changes few or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from zlib import crc32

from ..config.mark_layout import Layout, layout_of
from ..farm import MAX_BACKENDS, Farm

# 64 round-robin counters; with more farms, some share one.
LANES = 64


def allocate(names: Iterable[str], size: int) -> dict[str, int]:
    """Gives each name a number from 0 to size - 1: its hash or, where an earlier name has that, the next free one.

    A name that is added behind the others changes none of their numbers. Numbers are distinct up to size names.
    """
    numbers: dict[str, int] = {}
    taken: set[int] = set()
    for name in names:
        number = crc32(name.encode()) % size
        if len(taken) < size:
            while number in taken:
                number = (number + 1) % size
        taken.add(number)
        numbers[name] = number
    return numbers


@dataclass(frozen=True)
class Marks:
    """The marks of a set of farms, the same on every balancer with these farms.

    all_names are the names of all farms in their order, if farms holds only some of them, otherwise ().
    """

    farms: tuple[Farm, ...]
    all_names: tuple[str, ...] = ()
    # Filled farm by farm on demand: numbering 10,000 backends at once would delay the guardian's probes.
    _backend_marks: dict[str, Mapping[str, int]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def layout(self) -> Layout:
        """The bits of a mark that hold farm and backend."""
        return layout_of(self.farms, len(self.all_names))

    @property
    def _names(self) -> tuple[str, ...]:
        return self.all_names or tuple(farm.name for farm in self.farms)

    @cached_property
    def lanes(self) -> dict[str, int]:
        """The round-robin counter of each farm."""
        return allocate(self._names, LANES)

    def farm(self, farm: Farm) -> int:
        """Returns the mark of a farm: the farm bits that the marks of all its backends share."""
        return self._bases[farm.name]

    def backend(self, farm: Farm, name: str) -> int:
        """Returns the mark of the flows of one backend."""
        return self.backends(farm)[name]

    def backends(self, farm: Farm) -> Mapping[str, int]:
        """Returns the marks of the flows of all backends of a farm, by name."""
        found = self._backend_marks.get(farm.name)
        if found is None:
            numbers = allocate((one.name for one in farm.backends), MAX_BACKENDS)
            base, place = self._bases[farm.name], self.layout.place
            found = {name: base | place(0, number + 1) for name, number in numbers.items()}
            self._backend_marks[farm.name] = found
        return found

    def flows(self, counts: Mapping[int, int]) -> dict[int, int]:
        """Returns the counts of flows by farm and backend, without other programs' bits and flows of no farm."""
        found: dict[int, int] = {}
        for mark, number in counts.items():
            own = mark & self.layout.flow
            if own & self.layout.farm:
                found[own] = found.get(own, 0) + number
        return found

    def busy(self, farms: Iterable[Farm], counts: Mapping[int, int]) -> list[tuple[int, int]]:
        """Returns a match for each of the farms that has flows; counts are the flows by mark."""
        found = {mark & self.layout.farm for mark in counts}
        return [self.layout.match(mark) for farm in farms if (mark := self.farm(farm)) in found]

    @cached_property
    def _bases(self) -> dict[str, int]:
        numbers = allocate(self._names, self.layout.farms)
        return {name: self.layout.place(number + 1) for name, number in numbers.items()}

    @cached_property
    def names(self) -> dict[int, str]:
        """The backends by mark, as farm/backend."""
        return {mark: f"{farm.name}/{name}" for farm in self.farms for name, mark in self.backends(farm).items()}
