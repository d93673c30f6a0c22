"""Ids and marks follow from the names and their order alone."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from noidlb.config.mark_layout import FEW, MANY, PAIR_MASK
from noidlb.nft.marks import Marks, allocate

from tests.support.lb.farms import farm

NAMES = st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=5), unique=True, max_size=60)


@given(NAMES)
def test_numbers_are_distinct_and_a_name_behind_the_others_changes_none(names: list[str]) -> None:
    numbers = allocate(names, 64)
    assert len(set(numbers.values())) == len(names)
    assert all(0 <= number < 64 for number in numbers.values())
    for count in range(len(names)):
        assert allocate(names[:count], 64).items() <= numbers.items()


def test_more_names_than_numbers_share() -> None:
    numbers = allocate([str(number) for number in range(10)], 4)
    assert set(numbers.values()) == {0, 1, 2, 3}


def test_a_new_farm_moves_no_other() -> None:
    before = Marks(tuple(farm(f"farm{number}") for number in range(200)))
    after = Marks((farm("another"), *before.farms))
    moved = [one.name for one in before.farms if before.farm(one) != after.farm(one)]
    assert moved == []


def test_of_two_farms_with_the_same_hash_the_first_keeps_its_mark() -> None:
    ftp, dns = farm("ftp"), farm("dns")
    alone, both = Marks((ftp,)), Marks((ftp, dns))
    assert alone.farm(ftp) == both.farm(ftp) == Marks((dns,)).farm(dns) != both.farm(dns)
    # As a command about one backend sees them.
    assert Marks((dns,), ("ftp", "dns")).farm(dns) == both.farm(dns)


@pytest.mark.parametrize("mask", [FEW, MANY, 0x0000_FFFF, 0x9540_3F7F])
def test_marks_tell_farms_and_backends_apart(mask: int) -> None:
    marks = Marks(tuple(farm(name, marks=mask) for name in ("one", "two")))
    layout, (one, two) = marks.layout, marks.farms
    of_backends = [marks.backend(each, backend.name) for each in (one, two) for backend in each.backends]
    assert len(set(of_backends)) == 6
    assert all(mark & layout.backend and not mark & ~layout.flow for mark in of_backends)
    assert {mark & layout.farm for mark in of_backends} == {marks.farm(one), marks.farm(two)}
    assert marks.names[marks.backend(two, "b2")] == "two/b2"


def test_counts_are_summed_by_our_bits() -> None:
    one = farm("one")
    marks = Marks((one,))
    mark, other = marks.backend(one, "b1"), marks.backend(one, "b2")
    counts = {mark: 1, mark | 0x100: 2, mark | PAIR_MASK | marks.layout.pending: 4, other: 8, 0x3F00: 16}
    assert marks.flows(counts) == {mark: 7, other: 8}
    assert marks.busy((one,), {0x3F00: 1}) == []
    assert marks.busy((one,), {mark | 0x100: 1}) == [(marks.farm(one), marks.layout.farm)]
