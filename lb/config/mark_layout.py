"""Which bits of a conntrack mark belong to noidlb, and what each of them holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..farm import Farm

# The bits of a conntrack mark that noidlb uses unless the configuration says otherwise. The low half is left to others:
# uplinks are marked with 1 and 2 in most instructions, and with 0x3f00 or 0xff00 by most programs.
FEW, MANY = 0x9FFF_0000, 0x9FFF_FF00
# Bits 29 and 30: pair/rules.py marks sessions there that cannot be handed over.
PAIR_MASK = 0x6000_0000
_BACKEND_BITS = 8
# For three farms.
MIN_BITS = _BACKEND_BITS + 3


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
