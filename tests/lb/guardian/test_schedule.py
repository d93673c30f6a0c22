from __future__ import annotations

from noidlb.guardian.schedule import LATE, Pace, Rhythm, Schedule, phase


def test_phases_lie_as_evenly_as_can_be() -> None:
    for count in (10, 100, 2000):
        phases = sorted(phase(number) for number in range(count))
        gaps = [after - before for before, after in zip(phases, [*phases[1:], phases[0] + 1], strict=True)]
        assert max(gaps) < 2 / count


def test_the_first_round_is_quick_and_the_beats_lie_over_the_interval() -> None:
    rhythm = Rhythm(1, 100.0, interval=10, soon=1)
    pace = Pace(interval=10)
    first = rhythm.due(pace)
    assert first == 100 + phase(1)
    rhythm.started(first, pace)
    assert rhythm.due(pace) is None
    rhythm.finished(first + 0.1)
    assert rhythm.due(pace) == 101 + 10 * phase(1)


def test_a_long_first_round_is_over_before_the_second_begins() -> None:
    # As 10,000 targets at 1,000 a second.
    rhythms, pace = [Rhythm(number, 0.0, interval=5, soon=10) for number in range(1000)], Pace(interval=5)
    starts = []
    for rhythm in rhythms:
        for _ in range(4):
            starts.append(rhythm.due(pace) or 0.0)
            rhythm.started(starts[-1], pace)
            rhythm.finished(starts[-1] + 0.1)
    for begin, wanted in ((0, 100), (5, 100), (10, 200), (15, 200), (20, 200)):
        a_second = sum(begin <= start < begin + 5 for start in starts) / 5
        assert abs(a_second - wanted) < 2, begin


def test_beats_count_from_start_to_start() -> None:
    rhythm = Rhythm(0, 0.0, interval=10, soon=0)
    pace = Pace(interval=10)
    for beat in range(5):
        due = rhythm.due(pace)
        assert due == 10 * beat
        # A little late, and slow: neither moves the next beat.
        rhythm.started(due + 0.03, pace)
        rhythm.finished(due + 4.0)


def test_missed_beats_are_not_made_up_for() -> None:
    rhythm = Rhythm(0, 0.0, interval=10, soon=0)
    pace = Pace(interval=10)
    rhythm.started(57.0, pace)
    rhythm.finished(57.1)
    assert rhythm.due(pace) == 60


def test_doubt_comes_between_the_beats() -> None:
    rhythm = Rhythm(0, 0.0, interval=10, soon=0)
    rhythm.started(0.0, Pace(interval=10))
    rhythm.finished(0.5)
    assert rhythm.due(Pace(interval=10, fast=2)) == 2
    rhythm.started(2.0, Pace(interval=10, fast=2))
    rhythm.finished(7.0)
    # It took longer than that: at once, and not overdue.
    assert rhythm.due(Pace(interval=10, fast=2)) == 7
    assert rhythm.due(Pace(interval=10)) == 10


def test_what_hangs_is_asked_again_before_it_has_answered() -> None:
    pace = Pace(interval=10, eager=1, most=3)
    rhythm = Rhythm(0, 0.0, interval=10, soon=1)
    rhythm.started(0.0, pace)
    assert rhythm.due(pace) == 1
    rhythm.started(1.0, pace)
    assert rhythm.due(pace) == 2
    rhythm.started(2.0, pace)
    assert rhythm.due(pace) is None
    assert rhythm.running == 3


def test_a_start_that_waits_is_the_only_one_and_counts_from_its_begin() -> None:
    pace = Pace(interval=10, fast=1, eager=1, most=3)
    rhythm = Rhythm(0, 0.0, interval=10, soon=1)
    rhythm.wait()
    assert rhythm.due(pace) is None
    rhythm.started(7.0, pace)
    assert rhythm.due(pace) == 8
    rhythm.wait()
    # The earlier one ends meanwhile.
    rhythm.finished(9.0)
    assert rhythm.due(pace) is None
    rhythm.started(9.5, pace)
    assert rhythm.due(pace) == 10.5


def test_in_doubt_no_beat_comes_before_the_fast_interval() -> None:
    pace = Pace(interval=10, fast=4)
    rhythm = Rhythm(0, 0.0, interval=10, soon=0)
    rhythm.started(0.0, pace)
    rhythm.finished(0.1)
    # It waited for its turn, until a moment before the next beat.
    rhythm.started(9.98, pace)
    rhythm.finished(9.99)
    assert rhythm.due(pace) == 13.98
    assert rhythm.due(Pace(interval=10)) == 10


def test_a_shorter_interval_holds_at_once() -> None:
    rhythm = Rhythm(0, 0.0, interval=60, soon=0)
    rhythm.started(0.0, Pace(interval=60))
    rhythm.finished(0.1)
    assert rhythm.due(Pace(interval=5)) == 5


def test_a_schedule_gives_each_key_once_and_in_order() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("b", 2.0)
    schedule.put("a", 1.0)
    schedule.put("c", 3.0)
    schedule.put("b", 0.5)
    schedule.put("c", None)
    assert schedule.next() == 0.5
    assert [schedule.take(2.5) for _ in range(3)] == ["b", "a", None]
    assert schedule.next() is None


def test_a_schedule_counts_what_is_overdue() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.put("a", 1.0)
    schedule.put("b", 1.0)
    assert schedule.take(1.0 + LATE / 2) == "a"
    assert schedule.overdue == 0
    assert schedule.take(1.2) == "b"
    assert schedule.overdue == 1
    assert round(schedule.latest, 3) == 0.2


def test_a_schedule_counts_what_waits_for_its_turn_too() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.count_delay(LATE / 2)
    schedule.count_delay(3.0)
    assert (schedule.overdue, schedule.latest) == (1, 3.0)


def test_a_schedule_forgets_what_was_put_off() -> None:
    schedule: Schedule[int] = Schedule()
    for number in range(1000):
        schedule.put(number % 3, 1000.0 - number)
    assert len(schedule._heap) < 200
    assert [schedule.take(1000.0) for _ in range(4)] == [0, 2, 1, None]
