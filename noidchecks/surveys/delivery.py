"""Carries results to one report, from a thread of its own, again and again until they are taken."""

from __future__ import annotations

from collections import deque
from threading import Condition, Thread
from time import monotonic

from ..status.text import printable
from .destination import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .destination import Report
    from .report.journal import Journal
    from .report.record import Record

    Say = Callable[[str], None]

_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
# When the survey is over there is no use in long pauses.
_LAST_DELAY = 1.0
# So long before the time for the end is over, or half of this time if that is less, a report must not wait any more.
_LAST_SECONDS = 1.0


class DeliveryQueue:
    """Keeps what a report does not take, at most keep results; beyond that the oldest are dropped and counted.

    What could not be delivered by the end goes into the journal, if there is one, and is the first to be delivered
    next time. The order is kept, so that the newest result of a service is the last to arrive.
    """

    def __init__(self, name: str, report: Report, *, keep: int, say: Say, journal: Journal | None = None) -> None:
        self.name = name
        self.delivered = 0
        self.refused = 0
        self.dropped = 0
        self._report = report
        self._keep = keep
        self._say = say
        self._journal = journal
        self._box: deque[Record] = deque(journal.load() if journal else ())
        self._on_the_way: list[Record] = []
        # What the report still held when the survey ended.
        self._held = 0
        self._from_journal = len(self._box)
        self._known_refusals: set[tuple[str, str]] = set()
        self._trouble = ""
        # Whether the last delivery left results for another one.
        self._has_left = False
        self._end: float | None = None
        self._last_turn = 0.0
        self._changed = Condition()
        # A daemon: a report that hangs in a system call must not keep the process from ending.
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many results are still to be delivered."""
        return len(self._box) + len(self._on_the_way) + self._held

    def post(self, record: Record) -> None:
        """Takes a record to be delivered; never waits."""
        with self._changed:
            self._box.append(record)
            self._drop()
            if len(self._box) == 1:
                # Those that follow need not wake the thread: it waits until enough of them are gathered.
                self._changed.notify()

    def end(self, patience: float) -> None:
        """Announces that no more records follow; the queued ones get patience seconds. Does not wait for them."""
        with self._changed:
            self._end = monotonic() + patience
            self._last_turn = self._end - min(_LAST_SECONDS, patience / 2)
            self._changed.notify()

    def finish(self, patience: float) -> None:
        """Delivers the queued records until patience seconds after end(), and puts the rest into the journal."""
        if self._end is None:
            self.end(patience)
        self._thread.join(max(0.0, (self._end or 0.0) - monotonic()))
        with self._changed:
            if self._journal:
                # A delivery that has not returned may or may not arrive.
                self._journal.store([*self._on_the_way, *self._box])
            self._held = self._report.held
            self.delivered -= self._held
        if not self._thread.is_alive():
            try:
                self._report.close()
            except OSError as error:
                self._say(f"{self.name}: {printable(error.strerror or str(error))}")

    def _drop(self) -> None:
        while self.waiting > self._keep and self._box:
            self._box.popleft()
            self.dropped += 1
            if self.dropped == 1:
                self._say(f"{self.name}: more than {self._keep} results wait, the oldest are dropped from now on")

    def _work(self) -> None:
        delay = 0.0
        while batch := self._next_batch(delay):
            try:
                delivery = self._report.deliver(batch)
            except OSError as error:
                delivery = Outcome(batch, printable(error.strerror or str(error)))
            except Exception as defect:
                delivery = Outcome(batch, f"internal error: {type(defect).__name__}: {printable(str(defect))}")
            self._settle(batch, delivery)
            if delivery.trouble:
                delay = min(max(_FIRST_DELAY, delay * 2), _LONGEST_DELAY)
            else:
                # A full batch has others behind it.
                is_full = len(batch) == self._report.batch and not self._has_left
                delay = 0.0 if is_full else self._report.pause

    def _next_batch(self, delay: float) -> list[Record]:
        """Waits and takes what is to be delivered next; nothing at the end, when nothing is left or it is too late."""
        ready = monotonic() + delay
        with self._changed:
            while True:
                now = monotonic()
                if self._end is not None:
                    if not self._box or now >= self._end:
                        return []
                    self._report.is_last = now >= self._last_turn
                    moment = self._end if self._report.is_last else self._last_turn
                    ready = min(ready, now + _LAST_DELAY, moment) if self._has_left else now
                if self._box and now >= ready:
                    break
                if self._box:
                    self._changed.wait(ready - now)
                else:
                    self._changed.wait()
                    # What follows soon goes out with it.
                    ready = max(ready, monotonic() + self._report.pause)
            count = min(len(self._box), self._report.batch)
            self._on_the_way = [self._box.popleft() for _ in range(count)]
            return self._on_the_way

    def _settle(self, batch: list[Record], delivery: Outcome) -> None:
        with self._changed:
            self._has_left = bool(delivery.left)
            self._on_the_way = []
            self._box.extendleft(reversed(delivery.left))
            self._drop()
            self.refused += len(delivery.refused)
            self.delivered += len(batch) - len(delivery.left) - len(delivery.refused)
            # At the end, finish() has the last word on what is in it.
            if self._from_journal and not delivery.trouble and self._end is None:
                self._from_journal = max(0, self._from_journal - len(batch) + len(delivery.left))
                if not self._from_journal and self._journal:
                    self._journal.clear()
            waiting = len(self._box)
        for refusal in delivery.refused:
            if refusal not in self._known_refusals:
                self._known_refusals.add(refusal)
                name, reason = refusal
                self._say(f"{self.name}: {printable(name)} is refused: {printable(reason)}")
        if delivery.trouble and delivery.trouble != self._trouble:
            self._say(f"{self.name}: {delivery.trouble}; {waiting} results are kept")
        elif self._trouble and not delivery.trouble:
            self._say(f"{self.name}: takes results again")
        self._trouble = delivery.trouble
