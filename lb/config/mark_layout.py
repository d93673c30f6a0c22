"""Divides the conntrack mark: which of its 32 bits belong to noidlb, and what each of them holds.

All programs on the machine share the mark of a connection, so noidlb writes its own bits only. The default layouts:

    bit 31       pending: a sticky client, to be remembered when the connection is established
    bits 30, 29  left out: a pair marks FTP sessions there (pair/rules.py)
    bits 28..24  farm, 1 to 31; in the layout for more farms bits 28..16, 1 to 8,191
    bits 23..16  backend, 1 to 255, or 0 in the mark of a whole farm; in the other layout bits 15..8
    the rest     left to other programs: uplinks are marked with 1 and 2 in most instructions, and most programs use
                 0x3f00 or 0xff00
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..farm import Farm

# The default layouts, for up to 31 farms and for more.
FEW, MANY = 0x9FFF_0000, 0x9FFF_FF00
PAIR_MASK = 0x6000_0000
_BACKEND_BITS = 8
# Enough for three farms: 8 bits of backends, 2 of farms, 1 pending.
MIN_BITS = _BACKEND_BITS + 3


@dataclass(frozen=True)
class Layout:
    """The bits of a conntrack mark that belong to noidlb (mask) and their meaning.

    Of the bits in mask, the lowest 8 hold the backend, the highest is the pending bit of sticky clients, and those
    between hold the farm; they need not be adjacent. The other bits are never changed.
    """

    mask: int = FEW

    @cached_property
    def bits(self) -> tuple[int, ...]:
        """Each bit of mask, from the lowest on."""
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
        """The bits of farm and backend, which identify the backend of a flow."""
        return self.farm | self.backend

    @property
    def pending(self) -> int:
        """The bit of a sticky client's connection that is not established yet."""
        return self.bits[-1]

    @property
    def farms(self) -> int:
        """The number of farms that fit."""
        return (1 << len(self.bits) - _BACKEND_BITS - 1) - 1

    def match(self, mark: int) -> tuple[int, int]:
        """Returns value and mask that match the marks of a backend's flows, or a farm's when mark has no backend."""
        mask = self.flow if mark & self.backend else self.farm
        return mark & mask, mask

    def place(self, farm: int, backend: int = 0) -> int:
        """Returns the mark for the numbers of a farm and a backend."""
        return self._spread(farm, self.bits[_BACKEND_BITS:-1]) | self._spread(backend, self.bits[:_BACKEND_BITS])

    @staticmethod
    def _spread(number: int, bits: tuple[int, ...]) -> int:
        """Returns the number with its bits moved to these positions."""
        if bits[-1] == bits[0] << len(bits) - 1:
            # The fast path for adjacent bits, as in both default layouts: thousands of backends are numbered.
            return number * bits[0]
        return sum(bit for position, bit in enumerate(bits) if number >> position & 1)


def layout_of(farms: tuple[Farm, ...], count: int = 0) -> Layout:
    """Returns the configured layout, or the smaller default one that suffices for these farms, and for count farms."""
    chosen = next((farm.marks for farm in farms if farm.marks is not None), None)
    if chosen is not None:
        return Layout(chosen)
    few = Layout(FEW)
    return few if max(len(farms), count) <= few.farms else Layout(MANY)
