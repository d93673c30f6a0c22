"""The bits of a mark, and how many of them farms and backends take."""

from __future__ import annotations

import pytest
from noidlb.config.mark_layout import FEW, MANY, PAIR_MASK, Layout, layout_of

from tests.support.lb.farms import farm

LAYOUTS = [FEW, MANY, 0x0000_FFFF, 0x9540_3F7F]


@pytest.mark.parametrize("mask", LAYOUTS)
def test_each_bit_of_ours_is_of_one_kind(mask: int) -> None:
    layout = Layout(mask)
    assert layout.backend | layout.farm | layout.pending == mask
    assert layout.backend.bit_count() == 8
    assert layout.pending.bit_count() == 1
    assert layout.backend < layout.farm < layout.pending


def test_the_bits_of_a_pair_and_the_low_ones_are_others() -> None:
    assert not (FEW | MANY) & (PAIR_MASK | 0xFF)
    assert not FEW & 0xFFFF


def test_many_farms_take_more_bits() -> None:
    few = tuple(farm(f"f{number}") for number in range(Layout(FEW).farms))
    assert layout_of(few).mask == FEW
    assert layout_of((*few, farm("another"))).mask == MANY
    assert Layout(MANY).farms > 5000
