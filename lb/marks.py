"""Ids and conntrack marks of farms and backends, from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

from lb.farm import MAX_BACKENDS, Farm, Mode

# Bit 31: the balancer's address replaces the client's. Bits 8-27: farm. Bits 0-7: backend.
# Bits 29 and 30 are those of pair_rules.py, bit 28 is others'.
SNAT_BIT = 0x8000_0000
FARM_MASK = 0x0FFF_FF00
BACKEND_MASK = 0x0000_00FF
FLOW_MASK = FARM_MASK | BACKEND_MASK
MAX_FARMS = FARM_MASK >> 8
# So many farms have a round-robin counter of their own; more of them share.
LANES = 64


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
    def _farm_numbers(self) -> dict[str, int]:
        return allocate((farm.name for farm in self.farms), MAX_FARMS)

    @cached_property
    def lanes(self) -> dict[str, int]:
        """The round-robin counter of each farm."""
        return allocate((farm.name for farm in self.farms), LANES)

    @cached_property
    def _backend_numbers(self) -> Mapping[str, dict[str, int]]:
        return {farm.name: allocate((one.name for one in farm.backends), MAX_BACKENDS) for farm in self.farms}

    def farm(self, farm: Farm) -> int:
        """Returns the mark of a flow whose backend is not yet chosen."""
        base = (self._farm_numbers[farm.name] + 1) << 8
        return base | SNAT_BIT if farm.mode is Mode.SNAT else base

    def backend(self, farm: Farm, name: str) -> int:
        """Returns the mark of the flows of one backend."""
        return self.farm(farm) | (self._backend_numbers[farm.name][name] + 1)

    @cached_property
    def names(self) -> dict[int, str]:
        """The backends by mark, as farm/backend."""
        return {
            self.backend(farm, backend.name): f"{farm.name}/{backend.name}"
            for farm in self.farms
            for backend in farm.backends
        }
