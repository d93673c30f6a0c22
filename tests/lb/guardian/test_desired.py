from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from noidlb.farm import BackendState, Condition, Farm, Scheduler
from noidlb.guard import Guard
from noidlb.guardian.desired import Desired, Place, Verdict, merge, served, slow_start, standing, verdict
from noidlb.guardian.health import BackendHealth
from noidlb.nft.compile import compile_table
from noidlb.nft.marks import Marks
from noidlb.overrides import Overrides

from noidchecks.status.result import Result
from noidchecks.status.state import State
from tests.support.lb.farms import backend, farm

UP, DRAIN, DOWN = BackendState.UP, BackendState.DRAIN, BackendState.DOWN


def guarded(count: int = 3, *, scheduler: Scheduler = Scheduler.ROUND_ROBIN, **settings: Any) -> Farm:
    return farm(count=count, guardian=Guard(**settings), scheduler=scheduler)


def both(verdicts: dict[str, Verdict]) -> dict[Place, Verdict]:
    """The same verdict at the addresses of both families."""
    return {("f", name, version): one for name, one in verdicts.items() for version in (4, 6)}


def states(merged: Desired) -> dict[str, BackendState]:
    return {name: one.state for (_, name), one in merged.conditions.items()}


GOOD, BAD, NEW = Verdict(up=True), Verdict(up=False), Verdict()


def test_verdicts_decide_where_nobody_has_spoken() -> None:
    merged = merge(guarded(), Overrides(), both({"b1": GOOD, "b2": BAD, "b3": NEW}), {}, 0.0)
    assert states(merged) == {"b1": UP, "b2": DOWN, "b3": DOWN}
    assert merged.conditions["f", "b1"] == Condition(UP)


def test_without_a_guardian_words_decide() -> None:
    overrides = Overrides({("f", "b2"): DRAIN})
    assert states(merge(farm(), overrides, {}, {}, 0.0)) == {"b1": UP, "b2": DRAIN, "b3": UP}


def test_the_operators_down_and_drain_hold() -> None:
    overrides = Overrides({("f", "b1"): DOWN, ("f", "b2"): DRAIN, ("f", "b3"): DRAIN})
    merged = merge(guarded(), overrides, both({"b1": GOOD, "b2": GOOD, "b3": BAD}), {}, 0.0)
    # A draining one that is dead gets none of its sticky clients either.
    assert states(merged) == {"b1": DOWN, "b2": DRAIN, "b3": DOWN}


def test_the_operators_up_lifts_his_own_word_alone() -> None:
    configured = farm(guardian=Guard(), backends=(backend(1, state=DOWN), backend(2, state=DRAIN), backend(3)))
    overrides = Overrides({("f", "b1"): UP, ("f", "b2"): UP})
    merged = merge(configured, overrides, both({"b1": GOOD, "b2": BAD, "b3": GOOD}), {}, 0.0)
    assert states(merged) == {"b1": UP, "b2": DOWN, "b3": UP}


def test_who_is_not_known_stays_as_the_kernel_has_it() -> None:
    present = {("f", "b1", 4): True, ("f", "b1", 6): True, ("f", "b2", 4): False, ("f", "b2", 6): False}
    merged = merge(guarded(), Overrides(), {}, present, 0.0)
    assert states(merged) == {"b1": UP, "b2": DOWN, "b3": DOWN}


def test_who_cannot_be_looked_at_serves_unless_the_kernel_has_him_down() -> None:
    tried = Verdict(tried=True)
    present = {("f", "b2", version): False for version in (4, 6)}
    merged = merge(guarded(), Overrides(), both({"b1": tried, "b2": tried, "b3": BAD}), present, 0.0)
    assert states(merged) == {"b1": UP, "b2": DOWN, "b3": DOWN}


def test_a_dead_address_takes_its_family_alone() -> None:
    verdicts = both({"b1": GOOD, "b2": GOOD, "b3": GOOD}) | {("f", "b1", 6): BAD}
    merged = merge(guarded(), Overrides(), verdicts, {}, 0.0)
    assert merged.conditions["f", "b1"] == Condition(UP, lost=frozenset({6}))
    table = compile_table((guarded(),), merged.conditions)
    assert len(table.of("backend4")) == 3
    assert len(table.of("backend6")) == 2
    assert len(set(table.of("slot6").values())) == 2


def test_the_floor_keeps_those_that_failed_last() -> None:
    verdicts = both(
        {
            "b1": Verdict(up=False, since=30.0),
            "b2": Verdict(up=False, since=10.0),
            "b3": Verdict(up=False, since=20.0),
        }
    )
    merged = merge(guarded(min_backends=2), Overrides(), verdicts, {}, 40.0)
    assert states(merged) == {"b1": UP, "b2": DOWN, "b3": UP}
    assert merged.floored == {("f", name, version) for name in ("b1", "b3") for version in (4, 6)}
    # The operator's word counts here too.
    merged = merge(guarded(min_backends=2), Overrides({("f", "b1"): DOWN}), verdicts, {}, 40.0)
    assert states(merged) == {"b1": DOWN, "b2": UP, "b3": UP}
    verdicts |= both({"b2": GOOD})
    merged = merge(guarded(min_backends=1), Overrides(), verdicts, {}, 40.0)
    assert states(merged) == {"b1": DOWN, "b2": UP, "b3": DOWN}
    assert merged.floored == frozenset()


def test_the_floor_takes_in_who_is_not_known_but_does_not_say_that_he_fails() -> None:
    merged = merge(guarded(min_backends=1), Overrides(), {}, {}, 0.0)
    assert states(merged) == {"b1": UP, "b2": DOWN, "b3": DOWN}
    assert merged.floored == frozenset()


@given(
    floor=st.integers(0, 4),
    ups=st.lists(st.sampled_from([True, False, None]), min_size=4, max_size=4),
    wishes=st.lists(st.sampled_from([UP, DRAIN, DOWN]), min_size=4, max_size=4),
    since=st.lists(st.floats(0, 100), min_size=4, max_size=4),
)
def test_the_floor_is_kept_whatever_happens(
    floor: int, ups: list[bool | None], wishes: list[BackendState], since: list[float]
) -> None:
    names = ["b1", "b2", "b3", "b4"]
    overrides = Overrides({("f", name): wish for name, wish in zip(names, wishes, strict=True) if wish is not UP})
    verdicts = both({name: Verdict(up=up, since=when) for name, up, when in zip(names, ups, since, strict=True)})
    merged = merge(guarded(4, min_backends=floor), overrides, verdicts, {}, 200.0)
    serving = sum(state is UP for state in states(merged).values())
    wanted = wishes.count(UP)
    healthy = sum(up is True and wish is UP for up, wish in zip(ups, wishes, strict=True))
    assert serving == max(healthy, min(floor, wanted))
    for name, wish in zip(names, wishes, strict=True):
        if wish is DOWN:
            assert states(merged)[name] is DOWN


def test_a_recovered_backend_starts_slowly() -> None:
    verdicts = both({"b1": Verdict(up=True, recovered=100.0), "b2": GOOD, "b3": GOOD})
    one = guarded(slow_start=60)
    assert merge(one, Overrides(), verdicts, {}, 100.0).shares == {"b1": 10}
    merged = merge(one, Overrides(), verdicts, {}, 130.0)
    assert merged.shares == {"b1": 60}
    assert merged.until == 136.0
    merged = merge(one, Overrides(), verdicts, {}, 160.0)
    assert (merged.shares, merged.until) == ({}, None)


def test_the_next_step_is_that_of_the_backend_that_takes_it_first() -> None:
    recovered = {"b1": 100.0, "b2": 97.0, "b3": 99.0}
    verdicts = both({name: Verdict(up=True, recovered=when) for name, when in recovered.items()})
    assert merge(guarded(slow_start=60), Overrides(), verdicts, {}, 101.0).until == 103.0
    # One that has its whole weight takes none, wherever it stands.
    for name in recovered:
        whole = verdicts | both({name: GOOD})
        assert merge(guarded(slow_start=60), Overrides(), whole, {}, 101.0).until == (105.0 if name == "b2" else 103.0)


@pytest.mark.parametrize("scheduler", Scheduler)
def test_the_table_has_slow_start_whatever_the_scheduler(scheduler: Scheduler) -> None:
    one = guarded(scheduler=scheduler, slow_start=60)
    verdicts = both({"b1": Verdict(up=True, recovered=100.0), "b2": GOOD, "b3": GOOD})
    mark = Marks((one,)).backend(one, "b1")

    def share(now: float) -> float:
        slots, total = compile_table((one,), merge(one, Overrides(), verdicts, {}, now).conditions).shares(4)[mark]
        return slots / total

    assert 0 < share(100.0) < 0.1
    assert share(100.0) < share(130.0) < 0.3
    assert share(160.0) == 1 / 3


@given(st.floats(0.1, 3600), st.floats(0, 2))
def test_slow_start_only_grows_and_ends(duration: float, part: float) -> None:
    share, until = slow_start(50.0, 50.0 + part * duration, duration)
    assert 10 <= share <= 100
    if until is None:
        assert share == 100
    else:
        assert until > 50.0 + part * duration * 0.999
        later, _ = slow_start(50.0, until + duration * 0.01, duration)
        assert later > share


def test_least_connections_weighs_in() -> None:
    verdicts = both(dict.fromkeys(("b1", "b2", "b3"), GOOD))
    one = guarded(scheduler=Scheduler.LEAST_CONNECTIONS)
    merged = merge(one, Overrides(), verdicts, {}, 0.0, balance={"b1": 40, "b2": 250})
    assert [condition.weight for condition in merged.conditions.values()] == [40, 250, 100]
    assert merge(guarded(), Overrides(), verdicts, {}, 0.0, balance={"b1": 40}).shares == {}


def test_all_watches_must_hold() -> None:
    def seen(*states: State) -> BackendHealth:
        one = BackendHealth("f", "b1", 4, "x", Guard(rise=1, fall=1))
        for second, state in enumerate(states):
            one.take(Result(state, "x"), float(second))
        return one

    good, bad, new = seen(State.OK), seen(State.OK, State.CRITICAL), seen()
    assert verdict([good, good]).up is True
    assert verdict([good, bad, new]).up is False
    assert verdict([good, new]).up is None
    assert verdict([good, bad]).since == 1.0
    assert verdict([good, seen(State.CRITICAL, State.OK)]).recovered == 1.0
    assert verdict([new]).tried is False


def test_what_the_kernel_serves_is_read_from_its_table() -> None:
    farms = farm("f"), farm("g", vip=farm().vip, ports=(2121,))
    table = compile_table(farms[:1], {("f", "b2"): Condition(DOWN), ("f", "b3"): Condition(UP, lost=frozenset({4}))})
    found = served(farms, table)
    assert {place for place, up in found.items() if up} == {("f", "b1", 4), ("f", "b1", 6), ("f", "b3", 6)}
    assert {farm for farm, _, _ in found} == {"f"}
    # What drains still gets connections.
    assert served(farms[:1], compile_table(farms[:1], {("f", "b1"): Condition(DRAIN)}))["f", "b1", 4]
    # At another address it is a new one.
    moved = replace(farms[0], backends=(backend(1, address=backend(9).address), *farms[0].backends[1:]))
    assert set(served((moved, *farms[1:]), table)) == {place for place in found if place[1] != "b1"}
    # A stopped farm says nothing about its backends.
    assert served(farms[:1], compile_table(farms[:1], {}, frozenset({"f"}))) == {}


def test_of_a_backend_that_no_check_has_seen_nothing_is_kept_when_the_farms_change() -> None:
    # Kept as one that does not serve, it would stay out although its check cannot run.
    one = guarded(count=1)
    new = BackendHealth("f", "b1", 4, "x", Guard())
    assert list(standing((one,), {("f", "b1", 4): [new]}, {}, (one,))) == []
    new.take(Result(State.CRITICAL, "x"), 0.0)
    assert list(standing((one,), {("f", "b1", 4): [new]}, {}, (one,))) == [(("f", "b1", 4), False)]
    present = {("f", "b1", 6): True}
    assert list(standing((one,), {}, present, (one,))) == [(("f", "b1", 6), True)]
