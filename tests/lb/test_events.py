from __future__ import annotations

import json

import pytest
from noidlb.events import Event, EventLog, from_dict, to_dict, to_json, to_text

DOWN = Event(
    time=1_700_000_000.5,
    kind="down",
    farm="ftp",
    backend="b2",
    address="10.0.1.12 port 21",
    reason="227 announces 10.9.9.9, connected to 10.0.1.12",
    probe="check_ftp -H HOST",
    since=1_699_999_998.0,
    transcript=("> PASV", "< 227 Entering Passive Mode (10,9,9,9,7,8)"),
)


def event(number: int, kind: str = "up", backend: str = "b1") -> Event:
    return Event(time=float(number), kind=kind, farm="ftp", backend=backend, reason=f"number {number}")


def test_a_line_for_people_says_who_what_and_why() -> None:
    assert to_text(DOWN) == (
        "2023-11-14T22:13:20.500Z ftp/b2 down: 227 announces 10.9.9.9, connected to 10.0.1.12 "
        "(10.0.1.12 port 21, check_ftp -H HOST, since 2023-11-14T22:13:18.000Z)"
    )
    assert to_text(Event(time=0, kind="start")) == "1970-01-01T00:00:00.000Z start"


def test_nothing_of_a_peer_breaks_a_line() -> None:
    hostile = Event(time=0, kind="down", farm="ftp", backend="b1", reason="one\ntwo\x1b[2J|load=1")
    assert "\n" not in to_text(hostile)
    assert "\x1b" not in to_text(hostile)
    assert "\n" not in to_json(hostile)


def test_json_comes_back_as_the_same_event() -> None:
    assert from_dict(json.loads(to_json(DOWN))) == DOWN
    assert "transcript" not in to_dict(event(1))


def test_an_event_of_another_version_can_be_read() -> None:
    assert from_dict({"kind": "up", "color": "green"}) == Event(time=0.0, kind="up")


def test_the_last_events_are_kept_and_the_oldest_first() -> None:
    log = EventLog(limit=3)
    for number in range(5):
        log.add(event(number))
    assert [one.time for one in log.recent()] == [2, 3, 4]
    assert [one.time for one in log.recent(limit=1)] == [4]


def test_events_are_those_of_a_farm_or_a_backend() -> None:
    log = EventLog()
    log.add(event(1))
    log.add(event(2, backend="b2"))
    log.add(Event(time=3.0, kind="down", farm="other", backend="b1"))
    assert [one.time for one in log.recent("ftp")] == [1, 2]
    assert [one.time for one in log.recent("ftp", "b1")] == [1]


def test_failures_outlive_what_happens_elsewhere() -> None:
    log = EventLog(limit=2)
    for number in range(3):
        log.add(event(number, "down", "b9"))
    for number in range(3, 20):
        log.add(event(number))
    # The last two of them; and they are not told twice while they are among the last events.
    assert [one.time for one in log.recent("ftp", "b9")] == [1, 2]
    log.add(event(20, "down", "b9"))
    assert [one.time for one in log.recent("ftp", "b9")] == [2, 20]
    # Those of a whole farm would be many more than were asked for.
    assert [one.time for one in log.recent("ftp")] == [19, 20]
    assert [one.time for one in log.recent("ftp", limit=1)] == [20]


def test_a_transcript_is_bounded() -> None:
    log = EventLog()
    log.add(Event(time=0, kind="down", farm="f", backend="b", transcript=("< " + "x" * 10_000, *("< y\n",) * 10_000)))
    [kept] = log.recent()
    assert sum(map(len, kept.transcript)) < 5000
    assert kept.transcript[-1] == "..."
    assert all(line.isprintable() for line in kept.transcript)


def test_sinks_get_every_event_until_they_leave() -> None:
    log = EventLog()
    got: list[Event] = []
    log.subscribe(got.append)
    log.add(event(1))
    log.unsubscribe(got.append)
    log.add(event(2))
    assert got == [event(1)]


def test_what_a_sink_raises_keeps_the_event_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr("sys.excepthook", lambda *what: told.append(what[1]))
    defect = ZeroDivisionError("a defect of the program")

    def defective(_: Event) -> None:
        raise defect

    log, seen = EventLog(), list[Event]()
    log.subscribe(defective)
    log.subscribe(seen.append)
    log.add(DOWN)
    assert (seen, told) == ([DOWN], [defect])
