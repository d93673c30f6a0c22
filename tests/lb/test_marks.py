"""Ids and marks follow from the names alone."""

from __future__ import annotations

from hypothesis import given, strategies as st

from lb.farm import Mode
from lb.marks import BACKEND_MASK, FARM_MASK, SNAT_BIT, Marks, allocate
from tests.lb.farms import farm

NAMES = st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=5), unique=True, max_size=60)


@given(NAMES)
def test_numbers_are_distinct_and_do_not_depend_on_the_order(names: list[str]) -> None:
    numbers = allocate(names, 64)
    assert len(set(numbers.values())) == len(names)
    assert all(0 <= number < 64 for number in numbers.values())
    assert allocate(reversed(names), 64) == numbers


def test_more_names_than_numbers_share() -> None:
    numbers = allocate([str(number) for number in range(10)], 4)
    assert set(numbers.values()) == {0, 1, 2, 3}


def test_a_new_farm_moves_no_other() -> None:
    before = Marks(tuple(farm(f"farm{number}") for number in range(200)))
    after = Marks((farm("another"), *before.farms))
    moved = [one.name for one in before.farms if before.farm(one) != after.farm(one)]
    assert moved == []


def test_marks_tell_farm_backend_and_mode_apart() -> None:
    snat, dnat = farm("one"), farm("two", mode=Mode.DNAT)
    marks = Marks((snat, dnat))
    assert marks.farm(snat) & SNAT_BIT
    assert not marks.farm(dnat) & SNAT_BIT
    of_backends = [marks.backend(one, backend.name) for one in (snat, dnat) for backend in one.backends]
    assert len(set(of_backends)) == 6
    assert all(mark & BACKEND_MASK for mark in of_backends)
    assert {mark & FARM_MASK for mark in of_backends} == {marks.farm(one) & FARM_MASK for one in (snat, dnat)}
    assert marks.names[marks.backend(dnat, "b2")] == "two/b2"
