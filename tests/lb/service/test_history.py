from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from noidlb.events import Event
from noidlb.guardian.health import Health
from noidlb.service.history import DOWN, MINUTES, UNKNOWN, History, code_of, seconds_of, up_and_known

from tests.support.lb.seen import health


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 6000.0

    def __call__(self) -> float:
        return self.now


V4, V6 = "192.0.2.1:21", "[fd00:1::11]:21"


def event(kind: str, reason: str = "", backend: str = "b1", address: str = V4) -> Event:
    return Event(time=5.0, kind=kind, farm="f", backend=backend, address=address, reason=reason)


def sample(history: History, *found: Health) -> None:
    for _ in history.sample(found):
        pass


def test_minutes_move_to_the_left_and_end_after_an_hour() -> None:
    clock = Clock()
    history = History(clock)
    assert history.last_hour("f", "b1") == bytes(MINUTES)
    sample(history, health())
    clock.now += 120
    sample(history, health(state="down"))
    up = code_of(0.01)
    assert history.last_hour("f", "b1") == bytes(57) + bytes((up, UNKNOWN, DOWN))
    # Nothing was noted for a while: what nobody saw is unknown.
    clock.now += 57 * 60
    assert history.last_hour("f", "b1")[:3] == bytes((up, UNKNOWN, DOWN))
    assert not any(history.last_hour("f", "b1")[3:])
    clock.now += 60
    sample(history, health())
    assert history.last_hour("f", "b1") == bytes((UNKNOWN, DOWN)) + bytes(57) + bytes((up,))
    clock.now += 3600 * 5
    assert history.last_hour("f", "b1") == bytes(MINUTES)
    sample(history, health())
    assert history.last_hour("f", "b1") == bytes(59) + bytes((up,))


def test_the_worst_of_a_minute_stays() -> None:
    history = History(Clock())
    sample(history, health(seconds=0.5), health(seconds=0.1))
    assert history.last_hour("f", "b1")[-1] == code_of(0.5)
    history.take(event("down", "gone"))
    history.take(event("up", "there again"))
    sample(history, health())
    # Down for less than a minute, between two samples.
    assert history.last_hour("f", "b1")[-1] == DOWN


def test_a_backend_is_down_when_all_of_its_addresses_are() -> None:
    clock = Clock()
    history = History(clock)
    # Before the first sample it is not known whether there is another address.
    history.take(event("up"))
    history.take(event("down", address=V6))
    assert history.last_hour("f", "b1")[-1] == UNKNOWN
    sample(history, health(seconds=0.5), health(state="down", seconds=5.0, address=V6))
    assert history.last_hour("f", "b1")[-1] == code_of(0.5)
    # Between two samples, too.
    clock.now += 60
    history.take(event("up", address=V6))
    history.take(event("down"))
    assert history.last_hour("f", "b1")[-1] == UNKNOWN
    history.take(event("down", address=V6))
    assert history.last_hour("f", "b1")[-1] == DOWN
    clock.now += 60
    sample(history, health(state="down"), health(state="down", address=V6))
    assert history.last_hour("f", "b1")[-1] == DOWN
    # While the first result of an address is missing, it may serve.
    clock.now += 60
    sample(history, health(state="down"), health(state="unknown", address=V6))
    assert history.last_hour("f", "b1")[-1] == UNKNOWN


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (("up", "up"), code_of(0.01)),
        (("up", "down"), DOWN),
        (("down", "unknown"), DOWN),
        (("unknown", "down"), DOWN),
        (("unknown", "up"), UNKNOWN),
    ],
)
def test_an_address_is_up_when_all_of_its_commands_succeed(states: tuple[str, ...], code: int) -> None:
    history = History(Clock())
    sample(history, *(health(state=state, command=f"check_{number}") for number, state in enumerate(states)))
    assert history.last_hour("f", "b1")[-1] == code


def test_the_last_change_and_its_reason() -> None:
    history = History(Clock())
    assert history.last_change("f", "b1") is None
    history.take(event("down", "line\nend " + "x" * 500))
    found = history.last_change("f", "b1")
    assert found is not None
    assert (found.time, found.kind) == (5.0, "down")
    assert found.reason.startswith("line end xxx")
    assert len(found.reason) == 200
    # What is no change of a backend is none.
    history.take(event("word", "drain"))
    history.take(event("up", backend=""))
    assert history.last_change("f", "b1") == found


def test_backends_that_are_watched_no_more_are_forgotten() -> None:
    history = History(Clock())
    sample(history, health("b1"), health("b2"))
    sample(history, health("b2"))
    assert not any(history.last_hour("f", "b1"))
    assert any(history.last_hour("f", "b2"))
    # One without a result yet is watched.
    sample(history, health("b2", state="unknown"))
    assert any(history.last_hour("f", "b2"))


@given(st.floats(0, 1e9))
def test_a_response_time_keeps_its_size(seconds: float) -> None:
    code = code_of(seconds)
    assert UNKNOWN < code < DOWN
    if 1e-4 <= seconds <= 1000:
        assert seconds_of(code) == pytest.approx(seconds, rel=0.04)


@given(st.lists(st.binary(min_size=MINUTES, max_size=MINUTES), max_size=255))
def test_minutes_of_many_are_added(hours: list[bytes]) -> None:
    assert list(up_and_known(hours)) == [
        (sum(UNKNOWN < hour[minute] < DOWN for hour in hours), sum(hour[minute] != UNKNOWN for hour in hours))
        for minute in range(MINUTES)
    ]
