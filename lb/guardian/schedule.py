"""When probes start: evenly spread, from start to start, none because of another; pure, without clock or I/O."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
# Multiples of the golden ratio fill a circle as evenly as can be, however many there are of them.
_GOLDEN = 0.6180339887498949
# A start that is later than this counts as overdue.
LATE = 0.05


def phase(number: int) -> float:
    """Returns where in its interval the number-th probe starts: 0 up to 1, each far from all others."""
    return number * _GOLDEN % 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a probe is wanted at the moment, in seconds from start to start.

    fast is the interval while in doubt, None when nothing is. While a probe is under way for eager seconds already,
    another one is started beside it, up to most at once: a peer that hangs is found out as soon as one that refuses.
    """

    interval: float
    fast: float | None = None
    eager: float | None = None
    most: int = 1


class Rhythm:
    """The starts of one probe: beats at the interval, and what doubt puts between them."""

    __slots__ = ("running", "_first", "_beat", "_last", "_ended", "_repeats")

    def __init__(self, number: int, now: float, *, interval: float, soon: float) -> None:
        # The first round is run through within so many seconds; the beats after it are spread over the whole interval.
        self.running = 0
        soon = min(soon, interval)
        self._first = now + phase(number) * soon
        self._beat = now + soon + phase(number) * interval
        self._last: float | None = None
        self._ended = now
        self._repeats = False

    def started(self, now: float, pace: Pace) -> None:
        """Takes note of a start."""
        self.running += 1
        self._repeats = False
        self._last = now
        if self._beat <= now:
            # Beats that a long pause has missed are not made up for.
            self._beat += pace.interval * ((now - self._beat) // pace.interval + 1)

    def finished(self, now: float) -> None:
        """Takes note of an end."""
        self.running -= 1
        self._ended = now

    def repeat(self) -> None:
        """Wants another start at once, in the place of one that has told nothing."""
        self._repeats = True

    def due(self, pace: Pace) -> float | None:
        """Returns when the next start is wanted, None when that depends on a probe that is under way."""
        if self._last is None:
            return self._first
        if self.running:
            if pace.eager is None or self.running >= pace.most:
                return None
            return max(self._last + pace.eager, self._ended)
        if self._repeats:
            return self._ended
        wanted = min(self._beat, self._last + pace.interval)
        if pace.fast is not None:
            wanted = min(wanted, self._last + pace.fast)
        return max(wanted, self._ended)


class Schedule(Generic[K]):
    """Who starts next; overdue counts the starts that were later than LATE, latest is the latest one in seconds."""

    def __init__(self) -> None:
        self.overdue = 0
        self.latest = 0.0
        self._heap: list[tuple[float, int, K]] = []
        # The entry of each key that counts; others in the heap are stale.
        self._current: dict[K, tuple[float, int]] = {}
        self._sequence = count()

    def put(self, key: K, due: float | None) -> None:
        """Wants a start at that time, and no longer at another; None: not at all."""
        present = self._current.get(key)
        if due is None:
            self._current.pop(key, None)
            return
        if present is not None and present[0] == due:
            return
        entry = due, next(self._sequence)
        self._current[key] = entry
        heappush(self._heap, (*entry, key))
        if len(self._heap) > 64 + 4 * len(self._current):
            self._heap = sorted((*entry, key) for key, entry in self._current.items())

    def next(self) -> float | None:
        """Returns the time of the first start that is wanted."""
        while self._heap:
            due, number, key = self._heap[0]
            if self._current.get(key) == (due, number):
                return due
            heappop(self._heap)
        return None

    def take(self, now: float) -> K | None:
        """Takes the first one that is due away and returns it, None when there is none."""
        due = self.next()
        if due is None or due > now:
            return None
        _, _, key = heappop(self._heap)
        del self._current[key]
        self.latest = max(self.latest, now - due)
        self.overdue += now - due > LATE
        return key
