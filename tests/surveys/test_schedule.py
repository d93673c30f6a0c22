"""Rounds, how they are spread, and that they do not drift."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice

import pytest

from noidchecks import Command, FtpProbe
from noidchecks.drivers.poll import WaitUntil
from noidchecks.surveys import schedule as module
from noidchecks.surveys.schedule import Round, Schedule
from noidchecks.surveys.targets import Target


class Clock:
    """A time that passes when somebody waits, and while a check is started."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.start_takes = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "monotonic", found)
    return found


def targets(count: int) -> list[Target]:
    return [Target(f"h{number}", "ftp", Command(FtpProbe())) for number in range(count)]


def loaded(count: int) -> Generator[WaitUntil, None, list[Target]]:
    """Has no need to wait."""
    return targets(count)
    yield


def starts(clock: Clock, schedule: Schedule, count: int) -> list[tuple[float, str]]:
    """Returns the times and hosts of the first checks, as a driver that obeys would start them."""
    found: list[tuple[float, str]] = []
    for item in schedule:
        if isinstance(item, WaitUntil):
            clock.now = max(clock.now, item.time)
            continue
        (_, target), probe = item
        assert probe == target.command.probe
        found.append((round(clock.now - 1000, 6), target.host))
        clock.now += clock.start_takes
        if len(found) == count:
            break
    return found


def test_once_and_as_fast_as_possible(clock: Clock) -> None:
    schedule = Schedule(lambda: loaded(3), 0, 0, print)
    assert starts(clock, schedule, 99) == [(0, "h0"), (0, "h1"), (0, "h2")]


def test_a_round_is_spread_evenly(clock: Clock) -> None:
    schedule = Schedule(lambda: loaded(4), 60, 0, print)
    assert starts(clock, schedule, 99) == [(0, "h0"), (15, "h1"), (30, "h2"), (45, "h3")]


def test_checks_that_come_close_start_in_small_groups(clock: Clock) -> None:
    schedule = Schedule(lambda: loaded(1000), 10, 0, print)
    found = starts(clock, schedule, 9999)
    assert [when for when, _ in found[:9]] == [0, 0, 0, 0, 0.04, 0.04, 0.04, 0.04, 0.08]
    assert (len(found), found[-1]) == (1000, (9.96, "h999"))


def test_rounds_begin_at_a_distance_that_does_not_drift(clock: Clock) -> None:
    said: list[str] = []
    clock.start_takes = 0.7
    schedule = Schedule(lambda: loaded(2), 10, 300, said.append)
    found = [when for when, _ in islice(starts(clock, schedule, 20), 20)]
    assert found == [300 * number + offset for number in range(10) for offset in (0, 5)]
    assert said == []


def test_a_spread_over_the_whole_interval_is_no_long_round(clock: Clock) -> None:
    said: list[str] = []
    schedule = Schedule(lambda: loaded(3), 60, 60, said.append)
    assert [when for when, _ in starts(clock, schedule, 6)] == [0, 20, 40, 60, 80, 100]
    assert said == []


def test_a_round_that_takes_longer_is_told_and_the_next_begins_at_once(clock: Clock) -> None:
    said: list[str] = []
    clock.start_takes = 40
    schedule = Schedule(lambda: loaded(2), 0, 60, said.append)
    found = starts(clock, schedule, 3)
    clock.start_takes = 0
    assert found == [(0, "h0"), (40, "h1"), (80, "h0")]
    assert said == ["the round took 80.0 s, longer than its interval of 60 s"]


def test_each_round_reads_its_targets(clock: Clock) -> None:
    counts = iter([1, 0, 2])
    schedule = Schedule(lambda: loaded(next(counts)), 0, 5, print)
    assert starts(clock, schedule, 3) == [(0, "h0"), (10, "h0"), (10, "h1")]


def test_a_round_counts_its_states() -> None:
    this = Round(3)
    for state in (0, 2, 2):
        this.count(state)  # type: ignore[arg-type]  # a state is an integer
    assert (this.done, this.states) == (3, {0: 1, 2: 2})


def test_what_may_not_start_is_passed_over_and_moves_no_other(clock: Clock) -> None:
    asked: list[tuple[int, str]] = []

    def may_start(this: Round, target: Target) -> bool:
        asked.append((this.expected, target.host))
        return target.host != "h1"

    schedule = Schedule(lambda: loaded(3), 30, 0, print, may_start)
    assert starts(clock, schedule, 99) == [(0, "h0"), (20, "h2")]
    assert asked == [(3, "h0"), (3, "h1"), (3, "h2")]


def test_what_was_skipped_is_done_and_not_checked() -> None:
    this = Round(2)
    this.count(0)  # type: ignore[arg-type]  # a state is an integer
    this.skipped += 1
    assert (this.done, this.checked) == (2, 1)


def test_a_round_begins_when_its_targets_are_loaded(clock: Clock) -> None:
    def load() -> Generator[WaitUntil, None, list[Target]]:
        yield WaitUntil(clock.now + 1)
        yield WaitUntil(clock.now + 2)
        return targets(2)

    assert starts(clock, Schedule(load, 10, 0, print), 99) == [(3, "h0"), (8, "h1")]
