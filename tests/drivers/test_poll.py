"""Tests of what is only true of noidchecks.drivers.poll."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from noidchecks.dialogue.operations import Dialogue, Phase, Sleep
from noidchecks.drivers import poll, session as driver
from noidchecks.drivers.poll import WaitUntil, run_many
from noidchecks.drivers.session import Session
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left")


def sleeper(seconds: float, value: int = 0, timeout: float = 10) -> Session:
    def dialogue() -> Dialogue[int]:
        yield Sleep(seconds)
        return value

    return Session(dialogue(), timeout)


def test_sessions_are_yielded_as_they_end() -> None:
    sessions = [sleeper(1.0, 3), sleeper(0.05, 2), sleeper(0, 1)]
    assert [session.value for session in run_many(iter(sessions), 10)] == [1, 2, 3]


def test_the_next_session_starts_when_one_has_ended() -> None:
    started: list[int] = []

    def sessions() -> Iterator[Session]:
        for number in range(6):
            started.append(number)
            yield sleeper(0.01, number)

    many = run_many(sessions(), 2)
    next(many)
    assert started == [0, 1]
    next(many)
    next(many)
    assert len(started) <= 4
    assert len(list(many)) == 3


def test_a_time_among_the_sessions_is_waited_for() -> None:
    begin = time.monotonic()
    started: list[float] = []

    def sessions() -> Iterator[Session | WaitUntil]:
        yield sleeper(0, 1)
        yield WaitUntil(begin + 0.1)
        started.append(time.monotonic())
        yield WaitUntil(begin - 1.0)
        yield sleeper(0, 2)
        yield WaitUntil(begin + 0.2)

    assert [session.value for session in run_many(sessions(), 10)] == [1, 2]
    assert started[0] >= begin + 0.1
    assert time.monotonic() >= begin + 0.2


def test_what_has_ended_is_handed_out_before_the_iterator_raises() -> None:
    def sessions() -> Iterator[Session]:
        yield sleeper(0, 1)
        raise LookupError("no more")

    many = run_many(sessions(), 10)
    # A session that needs no waiting ends as it is started.
    assert next(many).value == 1
    with pytest.raises(LookupError, match="no more"):
        next(many)


def test_a_stop_closes_what_runs_behind_what_has_ended() -> None:
    ended: list[str] = []
    is_stopped = False

    def hung() -> Dialogue[None]:
        # Both sleepers are due in the same turn then. In the iterator the sessions' clock would stand still.
        time.sleep(0.05)
        try:
            yield Sleep(3600)
        finally:
            ended.append("closed")

    def sessions() -> Iterator[Session]:
        yield sleeper(0.01, 1)
        yield sleeper(0.01, 1)
        yield Session(hung(), 0)
        yield sleeper(0, 2)

    # There is room for no more, so the iterator is not asked again.
    many = run_many(sessions(), 3, is_stopped=lambda: is_stopped)
    assert next(many).value == 1
    is_stopped = True
    assert [session.value for session in many] == [1]
    assert ended == ["closed"]


def test_closing_closes_what_runs() -> None:
    ended: list[str] = []

    def dialogue() -> Dialogue[None]:
        try:
            yield Sleep(20)
        finally:
            ended.append("slept")

    many = run_many(iter([Session(dialogue(), 10), sleeper(0)]), 10)
    next(many)
    assert ended == []
    many.close()  # type: ignore[attr-defined]  # a generator, of which an iterator is promised
    assert ended == ["slept"]


def test_many_short_waits_within_long_ones_all_end() -> None:
    """Timers that nobody waits for any more are thrown away, and none that somebody waits for."""

    def dialogue(number: int) -> Dialogue[int]:
        for turn in range(30):
            yield Sleep(0.0001 * ((number + turn) % 7))
        return number

    sessions = [Session(dialogue(number), 10 if number % 2 else 0) for number in range(100)]
    assert sorted(session.value for session in run_many(iter(sessions), 40)) == list(range(100))


def test_peers_that_always_have_something_leave_time_for_the_caller() -> None:
    asked = [0] * 10

    def dialogue(number: int) -> Dialogue[None]:
        while True:
            asked[number] += 1
            yield Phase("flood")

    loop = poll.Loop()
    for number in range(len(asked)):
        loop.start(Session(dialogue(number), 0))
    before = list(asked)
    loop.turn(0.0, 4)
    assert sum(now > then for now, then in zip(asked, before, strict=True)) == 4
    # Those whose turn it was not are the next.
    loop.turn(0.0, 4)
    loop.turn(0.0, 4)
    assert all(now > then for now, then in zip(asked, before, strict=True))
    loop.close()


@pytest.mark.parametrize("where", ["body", "iterator"])
def test_the_callers_time_is_not_the_peers(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worked = 0.0

    def clock() -> float:
        return time.monotonic() + worked

    def work() -> None:
        nonlocal worked
        worked += 1000

    def dialogue() -> Dialogue[int]:
        yield Phase("asleep")
        yield Sleep(0.2)
        return 2

    patient = Session(dialogue(), 500, clock=clock)

    def sessions() -> Iterator[Session]:
        yield patient
        if where == "iterator":
            work()
        yield sleeper(0, 1, 500)

    monkeypatch.setattr(poll, "monotonic", clock)
    monkeypatch.setattr(driver, "monotonic", clock)
    values = []
    for session in run_many(sessions(), 10):
        values.append(session.value)
        if where == "body":
            work()
    assert values == [1, 2]
    assert 0.2 <= patient.timings.phases["asleep"] <= patient.timings.total < 500


def test_a_start_is_due_by_the_time_of_the_caller() -> None:
    begin = time.monotonic()
    many = run_many(iter([sleeper(0, 1), WaitUntil(begin + 0.4), sleeper(0, 2)]), 10)
    assert next(many).value == 1
    time.sleep(0.2)
    assert next(many).value == 2
    # The clock that stood still does not delay it.
    assert 0.4 <= time.monotonic() - begin < LONG
