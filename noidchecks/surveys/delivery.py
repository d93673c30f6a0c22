"""Delivers results to one report in a separate thread, with retries until the report accepts them."""

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
# The longest delay before a retry after the end of the survey.
_LAST_DELAY = 1.0
# The seconds before the end of the patience at which is_last is set; half of the patience if that is less.
_LAST_SECONDS = 1.0


class DeliveryQueue:
    """Queues the results for a report, at most keep of them; beyond that the oldest are dropped and counted.

    Results that could not be delivered by the end are stored in the journal, if any, and are the first to be delivered
    by the next survey. The order is kept, so that the newest result of a service arrives last.
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
        # The number of results that the report still held when the survey ended.
        self._held = 0
        self._from_journal = len(self._box)
        self._known_refusals: set[tuple[str, str]] = set()
        self._trouble = ""
        # Whether the last delivery left results for the next one.
        self._has_left = False
        self._end: float | None = None
        self._last_turn = 0.0
        self._changed = Condition()
        # A daemon: a report that hangs in a system call must not keep the process from ending.
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """The number of results that have not been delivered yet."""
        return len(self._box) + len(self._on_the_way) + self._held

    def post(self, record: Record) -> None:
        """Queues a record without blocking."""
        with self._changed:
            self._box.append(record)
            self._drop()
            if len(self._box) == 1:
                # Later records need not wake the thread, which waits for the report's pause to gather them.
                self._changed.notify()

    def end(self, patience: float) -> None:
        """Announces the end of the records, and gives the queued ones patience seconds; does not block."""
        with self._changed:
            self._end = monotonic() + patience
            self._last_turn = self._end - min(_LAST_SECONDS, patience / 2)
            self._changed.notify()

    def finish(self, patience: float) -> None:
        """Waits until the queue is empty, at most patience seconds after end(); stores the rest in the journal."""
        if self._end is None:
            self.end(patience)
        self._thread.join(max(0.0, (self._end or 0.0) - monotonic()))
        with self._changed:
            if self._journal:
                # The records of a running delivery are stored too, because it may fail.
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
                # After a full batch, more records are queued.
                is_full = len(batch) == self._report.batch and not self._has_left
                delay = 0.0 if is_full else self._report.pause

    def _next_batch(self, delay: float) -> list[Record]:
        """Waits for the next batch and returns it; [] at the end, when the queue is empty or the time is over."""
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
                    # Records of the next seconds (pause) are delivered together with it.
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
            # After end(), only finish() changes the journal.
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
