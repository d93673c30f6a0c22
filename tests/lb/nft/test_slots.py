"""What the slots of a farm hold."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from random import Random

import pytest
from hypothesis import given, strategies as st
from noidlb.farm import Backend, Scheduler
from noidlb.nft import slots as slots_of
from noidlb.nft.slots import fill, serving_weights, slot_count

from tests.support.lb.farms import backend, farm

WEIGHTS = st.dictionaries(st.sampled_from([f"b{number}" for number in range(1, 6)]), st.integers(0, 9))


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ((1, 1, 1), (4, 4, 4)),
        ((3, 2, 1), (30, 20, 10)),
        ((5, 3, 2), (30, 18, 12)),
        ((4, 4, 3), (24, 24, 18)),
        ((1, 1, 1, 1, 1, 1, 1), (9,) * 7),
        ((100, 1), (100, 1)),
        ((100, 50), (40, 20)),
    ],
)
def test_configured_weights_are_exact(weights: tuple[int, ...], shares: tuple[int, ...]) -> None:
    members = tuple(backend(number, weight=weight) for number, weight in enumerate(weights, 1))
    one = farm(backends=members)
    slots = fill(one, {member.name: member.weight for member in members}, 4)
    assert len(slots) == slot_count(one)
    assert tuple(Counter(slots)[member.name] for member in members) == shares


@pytest.mark.parametrize("weights", [(5, 2, 3), (2, 5, 3)])
def test_weights_that_do_not_divide_the_slots_are_as_close_as_can_be(weights: tuple[int, int, int]) -> None:
    # Of 60 slots, 5/7 are 42.86 and 2/7 are 17.14.
    one = farm(backends=tuple(backend(number, weight=weight) for number, weight in enumerate(weights, 1)))
    found = Counter(fill(one, {"b1": weights[0], "b2": weights[1]}, 4))
    assert {weights[0]: found["b1"], weights[1]: found["b2"]} == {5: 43, 2: 17}


@pytest.mark.parametrize("other", [backend(4, backup=True), backend(4, address=backend(4).address[:1])])
def test_a_hashed_client_is_where_it_would_be_without_those_who_cannot_serve_it(other: Backend) -> None:
    # A backup while others serve, or a backend without an address of the family.
    few, more = (
        farm(backends=(backend(1), backend(2, weight=2), backend(3), *others), scheduler=Scheduler.SOURCE_HASH)
        for others in ((), (other,))
    )
    weights = {"b1": 1, "b2": 2, "b3": 1}
    assert slot_count(few) == slot_count(more)
    assert fill(few, weights, 6) == fill(more, weights, 6)


@given(WEIGHTS, st.sampled_from(list(Scheduler)))
def test_every_slot_has_a_serving_backend_and_none_starves(weights: dict[str, int], scheduler: Scheduler) -> None:
    one = farm(count=5, scheduler=scheduler)
    slots = fill(one, weights, 4)
    serving = {name for name, weight in weights.items() if weight}
    assert set(slots) <= serving
    assert len(slots) == (slot_count(one) if serving else 0)
    if scheduler is not Scheduler.SOURCE_HASH:
        assert set(slots) == serving


def test_round_robin_is_smooth() -> None:
    slots = fill(farm(count=2, backends=(backend(1, weight=2), backend(2))), {"b1": 2, "b2": 1}, 4)
    assert "".join(name[1] for name in slots[:6]) == "121121"


@given(st.sets(st.sampled_from(["b1", "b2", "b3", "b4", "b5"]), min_size=2), st.data())
def test_a_hashed_backend_that_leaves_moves_no_other_slot(names: set[str], data: st.DataObject) -> None:
    one = farm(count=5, scheduler=Scheduler.SOURCE_HASH)
    leaving = data.draw(st.sampled_from(sorted(names)))
    before = fill(one, dict.fromkeys(names, 1), 4)
    after = fill(one, dict.fromkeys(names - {leaving}, 1), 4)
    moved = [slot for slot, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert all(before[slot] == leaving for slot in moved)
    assert leaving not in after
    assert fill(one, dict.fromkeys(names, 1), 4) == before


def _best_scores_first(members: tuple[tuple[str, int], ...], count: int) -> tuple[str, ...]:
    """Gives each slot to a backend by going through all scores from the best on."""
    left = dict(zip((name for name, _ in members), slots_of._shares([one for _, one in members], count), strict=True))
    logs = {name: slots_of._logarithms(name, count) for name in left}
    owners = [""] * count
    for _, slot, name in sorted(
        (-weight / logs[name][slot], slot, name) for name, weight in members for slot in range(count)
    )[::-1]:
        if not owners[slot] and left[name]:
            owners[slot] = name
            left[name] -= 1
    return tuple(owners)


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 100), min_size=1, max_size=8), st.integers(8, 100)
)
def test_a_slot_has_the_backend_that_going_through_all_scores_gives_it(weights: dict[str, int], count: int) -> None:
    members = tuple(weights.items())
    assert slots_of._owners(members, count) == _best_scores_first(members, count)


def test_weights_without_a_common_divisor_have_no_end_of_slots() -> None:
    members = tuple(backend(number, weight=99 + number % 2) for number in range(1, 256))
    one = farm(backends=members, scheduler=Scheduler.SOURCE_HASH)
    found = Counter(fill(one, {member.name: member.weight for member in members}, 4))
    assert found.total() == slot_count(one) == 4096
    assert set(found.values()) == {16, 17}


def test_hashed_slots_are_shared_exactly_while_all_serve() -> None:
    one = farm(scheduler=Scheduler.SOURCE_HASH)
    assert Counter(fill(one, dict.fromkeys(["b1", "b2", "b3"], 1), 4)) == {"b1": 20, "b2": 20, "b3": 20}


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.data())
def test_a_hashed_backend_that_starts_slowly_gets_its_slots_back_one_by_one(
    weights: list[int], data: st.DataObject
) -> None:
    members = tuple(backend(number, weight=weight) for number, weight in enumerate(weights, 1))
    one = farm(scheduler=Scheduler.SOURCE_HASH, backends=members)
    serving = {member.name: 100 * member.weight for member in members}
    down = data.draw(st.sets(st.sampled_from(sorted(serving)), max_size=len(members) - 2))
    serving = {name: weight for name, weight in serving.items() if name not in down}
    slow = data.draw(st.sampled_from(sorted(serving)))
    whole = fill(one, serving, 4)
    before = fill(one, {name: weight for name, weight in serving.items() if name != slow}, 4)
    own = {slot for slot, name in enumerate(whole) if name == slow}
    back: set[int] = set()
    for percent in range(10, 110, 10):
        slots = fill(one, {**serving, slow: serving[slow] * percent // 100}, 4)
        got = {slot for slot, name in enumerate(slots) if name == slow}
        assert back <= got <= own
        # No other client moves.
        assert all(slots[slot] == before[slot] for slot in range(len(slots)) if slot not in got)
        back = got
    assert fill(one, serving, 4) == whole


def test_a_hashed_backend_that_starts_slowly_has_its_part() -> None:
    one = farm(count=2, scheduler=Scheduler.SOURCE_HASH)
    assert Counter(fill(one, {"b1": 100, "b2": 10}, 4)) == {"b1": 57, "b2": 3}
    assert Counter(fill(one, {"b1": 100, "b2": 60}, 4)) == {"b1": 42, "b2": 18}
    # Alone, or as one of several that begin together, it has to carry the rest all the same.
    assert Counter(fill(one, {"b2": 10}, 4)) == {"b2": 60}
    assert fill(one, {"b1": 10, "b2": 10}, 4) == fill(one, {"b1": 1, "b2": 1}, 4)


def test_backups_serve_only_while_no_other_does() -> None:
    members = (backend(1), backend(2), backend(3, backup=True))
    assert serving_weights(members, {"b1": 1, "b3": 1}) == {"b1": 1}
    assert serving_weights(members, {"b3": 1}) == {"b3": 1}
    assert serving_weights(members, {"b1": 0, "b3": 1}) == {"b3": 1}
    assert serving_weights(members, {}) == {}


@pytest.mark.parametrize("scheduler", [Scheduler.ROUND_ROBIN, Scheduler.SOURCE_HASH])
def test_farms_that_flap_leave_no_memory_behind(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_of, "_REMEMBERED", 1 << 16)
    limit = 8 << 16
    one = farm(scheduler=scheduler, backends=tuple(backend(number) for number in range(20)))
    chance = Random(1)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(1000):
            # Names as a file brings them that was read again.
            serving = {f"b{number:d}": chance.randint(1, 9) for number in range(20) if chance.random() < 0.7}
            fill(one, serving, 4)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What is remembered, and the tuples that Python keeps for the next ones.
    assert after - before < 2 * limit


def test_the_latest_tables_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_of, "_REMEMBERED", 4000)
    three = (backend(1, weight=100), backend(2, weight=99), backend(3))
    one = farm(scheduler=Scheduler.SOURCE_HASH, backends=three)
    # A farm whose backends flap has other weights each time: some 13 tables of 200 slots are kept.
    first = fill(one, {"b1": 100, "b2": 1}, 4)
    made = [fill(one, {"b1": 100, "b2": weight}, 4) for weight in range(2, 30)]
    assert fill(one, {"b1": 100, "b2": 25}, 4) is made[23]
    assert fill(one, {"b1": 100, "b2": 29}, 4) is made[-1]
    again = fill(one, {"b1": 100, "b2": 1}, 4)
    assert again == first
    assert again is not first
    # What was asked for is among the latest again.
    for weight in range(30, 60):
        fill(one, {"b1": 100, "b2": weight}, 4)
        assert fill(one, {"b1": 100, "b2": 1}, 4) is again


def test_what_is_remembered_is_right() -> None:
    one = farm(scheduler=Scheduler.SOURCE_HASH, count=3)
    first = fill(one, {"b1": 1, "b2": 2}, 4)
    assert fill(one, {"b1": 2, "b2": 1}, 4) != first
    assert fill(one, {"b1": 1, "b2": 2}, 4) is first
