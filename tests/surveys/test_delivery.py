"""Nothing is lost below the bound, the order is kept, and what cannot be handed in is told once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from noidchecks.surveys import delivery as module
from noidchecks.surveys.delivery import DeliveryQueue
from noidchecks.surveys.destination import Outcome, Report
from noidchecks.surveys.report.journal import Journal
from noidchecks.surveys.report.record import Record
from tests.support.records import record
from tests.support.waiting import LONG, until

pytestmark = pytest.mark.usefixtures("nothing_left")


def data(record: Record) -> bytes:
    return record.service.encode()


class Destination(Report):
    """Takes what it is told to take; the script has an answer for each delivery, the last one for all that follow."""

    batch = 10

    def __init__(self, *script: Callable[[Sequence[Record]], Outcome]) -> None:
        self.arrived: list[bytes] = []
        self.script = list(script)
        self.deliveries = 0
        self.is_closed = False

    def deliver(self, records: Sequence[Record]) -> Outcome:
        self.deliveries += 1
        if not self.script:
            answer = Outcome()
        else:
            answer = (self.script.pop(0) if len(self.script) > 1 else self.script[0])(records)
        left = {id(record) for record in answer.left}
        refused = {name for name, _ in answer.refused}
        self.arrived += [data(one) for one in records if id(one) not in left and one.name not in refused]
        return answer

    def close(self) -> None:
        self.is_closed = True


def accept(records: Sequence[Record]) -> Outcome:
    return Outcome()


def raise_error(records: Sequence[Record]) -> Outcome:
    raise OSError(28, "No space left on device")


def take_half(records: Sequence[Record]) -> Outcome:
    return Outcome(records[len(records) // 2 :], "no more")


def refuse_odd(records: Sequence[Record]) -> Outcome:
    return Outcome(refused=[(one.name, "odd") for one in records if int(one.service) % 2])


def fail(records: Sequence[Record]) -> Outcome:
    raise ZeroDivisionError("a | b")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(module, "_LAST_DELAY", 0.001)


def post(queue: DeliveryQueue, numbers: Iterator[int] | range) -> None:
    for number in numbers:
        queue.post(record(service=f"{number:04}"))


def names(numbers: range) -> list[bytes]:
    return [b"%04d" % number for number in numbers]


def test_everything_arrives_in_order(said: list[str]) -> None:
    report = Destination()
    queue = DeliveryQueue("x", report, keep=1000, say=said.append)
    post(queue, range(105))
    queue.finish(LONG)
    assert report.arrived == names(range(105))
    assert (queue.delivered, queue.waiting, queue.dropped, queue.refused) == (105, 0, 0, 0)
    assert report.is_closed
    assert said == []


def test_a_single_result_is_delivered_before_another_one_comes(said: list[str]) -> None:
    # As of a survey of one target that goes on for ever.
    report = Destination()
    queue = DeliveryQueue("x", report, keep=1000, say=said.append)
    for number in range(3):
        # The queue is empty, and its thread asleep.
        post(queue, range(number, number + 1))
        until(lambda number=number: report.arrived == names(range(number + 1)))  # type: ignore[misc]
    queue.finish(LONG)
    assert queue.delivered == 3


def test_a_report_in_trouble_is_left_alone_longer_each_time(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY", 0.1)
    report = Destination(raise_error)
    queue = DeliveryQueue("x", report, keep=1000, say=said.append)
    post(queue, range(1))
    until(lambda: report.deliveries >= 1)
    began = time.monotonic()
    until(lambda: report.deliveries >= 3)
    # After 0.1 s and 0.2 s.
    assert time.monotonic() - began >= 0.25
    queue.finish(0.01)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (raise_error, "No space left on device"),
        (take_half, "no more"),
        (fail, "internal error: ZeroDivisionError: a   b"),
    ],
)
def test_what_is_not_taken_is_tried_again(
    trouble: Callable[[Sequence[Record]], Outcome], words: str, said: list[str]
) -> None:
    report = Destination(trouble, trouble, accept, trouble, accept)
    queue = DeliveryQueue("x", report, keep=1000, say=said.append)
    post(queue, range(50))
    queue.finish(LONG)
    assert report.arrived == names(range(50))
    assert (queue.delivered, queue.waiting, queue.dropped) == (50, 0, 0)
    # Once for each time that it began, not for each try.
    assert [line.partition(";")[0] for line in said] == [f"x: {words}", "x: takes results again"] * 2


def test_the_oldest_are_dropped_beyond_the_bound_and_counted(said: list[str]) -> None:
    report = Destination(raise_error)
    queue = DeliveryQueue("x", report, keep=20, say=said.append)
    post(queue, range(20))
    assert queue.dropped == 0
    post(queue, range(20, 50))
    report.script = [accept]
    queue.finish(LONG)
    assert (queue.delivered, queue.waiting, queue.dropped) == (20, 0, 30)
    assert sorted(report.arrived) == report.arrived
    # A batch that is on its way when others come is not among the dropped.
    assert report.arrived[-10:] == names(range(40, 50))
    assert [line for line in said if "dropped" in line] == [
        "x: more than 20 results wait, the oldest are dropped from now on"
    ]


def test_what_the_report_still_holds_at_the_end_is_not_handed_in(said: list[str]) -> None:
    report = Destination()
    queue = DeliveryQueue("x", report, keep=100, say=said.append)
    post(queue, range(5))
    report.held = 3
    queue.finish(LONG)
    assert (queue.delivered, queue.waiting) == (2, 3)


def test_a_refusal_is_told_once_and_not_tried_again(said: list[str]) -> None:
    report = Destination(refuse_odd)
    queue = DeliveryQueue("x", report, keep=100, say=said.append)
    post(queue, range(4))
    post(queue, range(4))
    queue.finish(LONG)
    assert (queue.delivered, queue.refused, queue.waiting) == (4, 4, 0)
    assert said == ["x: 0001 on web1 is refused: odd", "x: 0003 on web1 is refused: odd"]


class Waiting(Destination):
    """Leaves everything until it must not wait any more, as the spool folder of a Nagios that does not read it."""

    def deliver(self, records: Sequence[Record]) -> Outcome:
        if not self.is_last:
            self.deliveries += 1
            return Outcome(records)
        return super().deliver(records)


def test_a_report_that_waits_for_its_turn_is_asked_again_in_peace_and_has_the_last_word(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LAST_DELAY", 1.0)
    report = Waiting()
    report.pause = 0.05
    queue = DeliveryQueue("x", report, keep=1000, say=said.append)
    post(queue, range(25))
    until(lambda: report.deliveries >= 3)
    began, before = time.monotonic(), report.deliveries
    queue.finish(1)
    assert report.deliveries - before <= (time.monotonic() - began) / report.pause + 4
    assert report.arrived == names(range(25))
    assert (queue.delivered, queue.waiting, said) == (25, 0, [])


def test_the_end_does_not_wait_for_ever_and_the_journal_keeps_the_rest(said: list[str], tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), "icinga2=https://x/y", said.append)
    queue = DeliveryQueue("x", Destination(raise_error), keep=100, say=said.append, journal=journal)
    post(queue, range(30))
    queue.finish(0.05)
    assert queue.waiting == 30
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    # Again in vain: it is still there.
    queue = DeliveryQueue("x", Destination(raise_error), keep=100, say=said.append, journal=journal)
    post(queue, range(30, 35))
    queue.finish(0.05)
    report = Destination()
    queue = DeliveryQueue("x", report, keep=100, say=said.append, journal=journal)
    post(queue, range(35, 40))
    queue.finish(LONG)
    assert report.arrived == names(range(40))
    assert list(tmp_path.iterdir()) == []


def test_the_journal_is_kept_until_its_results_have_arrived(said: list[str], tmp_path: Path) -> None:
    """A process that is killed meanwhile loses nothing of it."""
    journal = Journal(str(tmp_path), "x", said.append)
    journal.store([record(service=f"{number:04}") for number in range(15)])
    going_on = threading.Event()

    def wait(records: Sequence[Record]) -> Outcome:
        going_on.wait(LONG)
        return Outcome()

    report = Destination(accept, wait, accept)
    queue = DeliveryQueue("x", report, keep=100, say=said.append, journal=journal)
    until(lambda: report.deliveries >= 2)
    assert len(journal.load()) == 15
    going_on.set()
    until(lambda: not journal.load())
    queue.finish(LONG)
    assert report.arrived == names(range(15))


def test_a_delivery_that_hangs_does_not_hold_the_end(said: list[str], tmp_path: Path) -> None:
    going_on = threading.Event()

    def hang(records: Sequence[Record]) -> Outcome:
        going_on.wait(LONG)
        return Outcome()

    report = Destination(hang)
    journal = Journal(str(tmp_path), "x", said.append)
    queue = DeliveryQueue("x", report, keep=100, say=said.append, journal=journal)
    post(queue, range(3))
    queue.finish(0.05)
    assert queue.waiting == 3
    assert list(map(data, journal.load())) == names(range(3))
    assert not report.is_closed
    going_on.set()


def test_a_journal_that_cannot_be_written_is_told(said: list[str], tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "none"), "x", said.append)
    journal.store([record(service="1")])
    assert "1 results are lost: No such file or directory" in said[0]
