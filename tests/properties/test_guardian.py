"""The guardian's decisions under any results, and its schedule under any load, with a clock that is played."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count, pairwise

from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from noidlb.guard import Guard
from noidlb.guardian.health import BackendHealth, Change, pace_of
from noidlb.guardian.schedule import LATE, Rhythm, Schedule, phase

from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.timings import Timings

OK = Result(State.OK, "x OK - fine")
BAD = Result(State.CRITICAL, "x CRITICAL - dead")


class Judgement(RuleBasedStateMachine):
    """One backend and a plain count of the results in a row beside it."""

    @initialize(rise=st.integers(1, 5), fall=st.integers(1, 5))
    def begin(self, rise: int, fall: int) -> None:
        self.guard = Guard(rise=rise, fall=fall)
        self.watch = BackendHealth("f", "b", 4, "x", self.guard)
        self.now = 0.0
        self.state = "unknown"
        self.row: list[bool] = []
        self.flips = 0

    @rule(good=st.booleans(), gap=st.floats(0, 100))
    def result(self, good: bool, gap: float) -> None:
        self.now += gap
        before = self.state
        change = self.watch.take(OK if good else BAD, self.now)
        self._expect(good)
        assert self.watch.state == self.state
        assert (change is not None) is (before != self.state)
        if change is not None:
            assert change.kind == self.state
            assert change.since <= self.now
            self.flips += before != "unknown"

    @invariant()
    def doubt_is_exactly_what_contradicts(self) -> None:
        if hasattr(self, "watch"):
            contradicted = self.state != "unknown" and bool(self.row) and self.row[-1] is not (self.state == "up")
            assert self.watch.is_doubtful is (self.state == "unknown" or contradicted)
            assert self.watch.flaps == self.flips
            assert (pace_of([self.watch]).fast is None) is not self.watch.is_doubtful

    def _expect(self, good: bool) -> None:
        self.row.append(good)
        if self.state == "unknown":
            self.state = "up" if good else "down"
        elif good is not (self.state == "up"):
            wanted = self.guard.rise if good else self.guard.fall
            if len(self.row) >= wanted and all(one is good for one in self.row[-wanted:]):
                self.state = "up" if good else "down"


TestJudgement = Judgement.TestCase
TestJudgement.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


@given(
    rise=st.integers(1, 6),
    fall=st.integers(1, 6),
    rows=st.lists(st.tuples(st.booleans(), st.integers(1, 5)), max_size=30),
)
def test_below_the_thresholds_nothing_flaps(rise: int, fall: int, rows: list[tuple[bool, int]]) -> None:
    watch = BackendHealth("f", "b", 4, "x", Guard(rise=rise, fall=fall))
    watch.take(OK, 0.0)
    for good, length in rows:
        for _ in range(length if good else min(length, fall - 1)):
            assert watch.take(OK if good else BAD, 1.0) is None
        watch.take(OK, 1.0)
    assert (watch.state, watch.flaps) == ("up", 0)


class Played:
    """Targets with watches of their own, run by a clock that is played: an event at a time."""

    def __init__(self, guards: list[Guard]) -> None:
        self.schedule: Schedule[int] = Schedule()
        self.watches = [BackendHealth("f", f"b{number}", 4, "x", guard) for number, guard in enumerate(guards)]
        self.rhythms = [
            Rhythm(number, 0.0, interval=guard.interval, soon=guard.fast) for number, guard in enumerate(guards)
        ]
        self.starts: list[list[float]] = [[] for _ in guards]
        self.changes: list[list[tuple[float, Change]]] = [[] for _ in guards]
        self._ends: list[tuple[float, int, int, Result]] = []
        self._sequence = count()
        for number in range(len(guards)):
            self._put(number)

    def run(self, until: float, took: dict[int, tuple[float, bool]]) -> None:
        """Plays on; took says how long the probe of a target takes, and how it ends (at once and well without)."""
        while True:
            start = self.schedule.next()
            end = self._ends[0][0] if self._ends else float("inf")
            now = min(end, float("inf") if start is None else start)
            if now > until:
                return
            if end <= now:
                _, _, number, result = heappop(self._ends)
                self.rhythms[number].finished(now)
                change = self.watches[number].take(result, now)
                if change is not None:
                    self.changes[number].append((now, change))
                self._put(number)
                continue
            taken = self.schedule.take(now)
            assert taken is not None
            pace = pace_of([self.watches[taken]])
            self.rhythms[taken].started(now, pace)
            self.starts[taken].append(now)
            seconds, good = took.get(taken, (0.0, True))
            seconds = min(seconds, self.watches[taken].guard.timeout)
            result = Result(State.OK if good else State.CRITICAL, "x - y", timings=Timings(seconds))
            heappush(self._ends, (now + seconds, next(self._sequence), taken, result))
            self._put(taken)

    def _put(self, number: int) -> None:
        self.schedule.put(number, self.rhythms[number].due(pace_of([self.watches[number]])))


guards = st.builds(
    Guard,
    interval=st.sampled_from([1.0, 5.0, 10.0]),
    fast_interval=st.sampled_from([0.2, 1.0]),
    timeout=st.sampled_from([0.5, 3.0, 12.0]),
    rise=st.integers(1, 3),
    fall=st.integers(1, 4),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(guards, min_size=1, max_size=8), st.integers(0, 7), st.floats(0, 20), st.booleans())
def test_a_death_is_found_out_in_time_and_delays_nobody(
    given_guards: list[Guard], who: int, moment: float, hangs: bool
) -> None:
    dead = who % len(given_guards)
    played = Played(given_guards)
    guard = given_guards[dead]
    played.run(30.0 + moment, {})
    assert {watch.state for watch in played.watches} == {"up"}
    died = 30.0 + moment
    before = [len(starts) for starts in played.starts]
    played.run(died + 60.0, {dead: (guard.timeout if hangs else 0.0, False)})
    (when, change), *_ = played.changes[dead][1:]
    assert change.kind == "down"
    assert when - died <= guard.interval + (guard.fall - 1) * guard.fast + guard.timeout + 1e-6
    if not hangs:
        assert when - died <= guard.interval + (guard.fall - 1) * guard.fast + 1e-6
    # Everybody else goes on as if nothing had happened: no start later than asked, none too many.
    assert played.schedule.latest <= 1e-9
    for number, one in enumerate(given_guards):
        starts = played.starts[number]
        gaps = [later - earlier for earlier, later in pairwise(starts)]
        if number != dead:
            assert max(gaps) <= one.interval + 1e-6
            assert len(starts) - before[number] <= 60.0 / one.interval + 2


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 400), st.sampled_from([1.0, 5.0]))
def test_starts_are_spread_evenly(number: int, interval: float) -> None:
    played = Played([Guard(interval=interval, fast_interval=interval / 5)] * number)
    played.run(5 * interval, {})
    starts = sorted(one for starts in played.starts for one in starts if one >= 2 * interval)
    # In no tenth of an interval more than its share, and as many as the golden ratio leaves over.
    window = interval / 10
    for index, begin in enumerate(starts):
        inside = sum(begin <= one < begin + window for one in starts[index : index + number])
        assert inside <= number / 10 + 3


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_phases_are_within_the_interval_and_differ(one: int, other: int) -> None:
    assert 0 <= phase(one) < 1
    if one != other and abs(one - other) < 10**6:
        assert phase(one) != phase(other)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 30), min_size=1, max_size=20))
def test_a_pause_of_the_machine_is_not_made_up_for_by_bursts(pauses: list[float]) -> None:
    guard = Guard(interval=5.0, fast_interval=1.0)
    rhythm, schedule = Rhythm(3, 0.0, interval=5.0, soon=1.0), Schedule[int]()
    watch = BackendHealth("f", "b", 4, "x", guard)
    now, starts, overdue = 0.0, 0, 0
    for pause in pauses:
        schedule.put(0, rhythm.due(pace_of([watch])))
        due = schedule.next()
        assert due is not None
        now = max(now + pause, due)
        overdue += now - due > LATE
        assert schedule.take(now) == 0
        assert schedule.take(now) is None
        rhythm.started(now, pace_of([watch]))
        rhythm.finished(now)
        watch.take(OK, now)
        starts += 1
    assert starts == len(pauses)
    assert schedule.overdue == overdue
    # The next one is wanted within an interval from now, and not in the past.
    following = rhythm.due(pace_of([watch]))
    assert following is not None
    assert now <= following <= now + 5.0
