"""Schedules the starts of checks: start to start, spread evenly over the interval; pure, without clock or I/O."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
# Multiples of the golden ratio, taken modulo 1, are spread evenly for every number of checks.
_GOLDEN = 0.6180339887498949
# A start that is later than this counts as overdue.
LATE = 0.05


def phase(number: int) -> float:
    """Returns the place of the number-th check in its interval, from 0 up to 1."""
    return number * _GOLDEN % 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The intervals of a check, in seconds from start to start.

    fast is the interval while a backend is doubtful, None when none is. When a check runs longer than eager seconds,
    another one is started beside it, up to most at a time: so a peer that hangs is detected as soon as one that
    refuses, because its time-outs overlap.
    """

    interval: float
    fast: float | None = None
    eager: float | None = None
    most: int = 1


class Rhythm:
    """The start times of one check: beats at the interval, and faster starts between them while in doubt.

    A queued start does not count yet: no other one is due until it has begun, and intervals count from then.
    """

    __slots__ = ("running", "_waits", "_first", "_rests_until", "_beat", "_last", "_ended", "_repeats")

    def __init__(self, number: int, now: float, *, interval: float, soon: float) -> None:
        # soon: the seconds for the first round, which checks every target once; later beats are spread over the whole
        # interval. The first round costs more than any other, so where it is longer than the interval, beats wait.
        self.running = 0
        self._waits = False
        self._first = now + phase(number) * soon
        self._rests_until = now + soon if soon > interval else now
        self._beat = now + soon + phase(number) * interval
        self._last: float | None = None
        self._ended = now
        self._repeats = False

    def wait(self) -> None:
        """Records that a start waits until started()."""
        self._waits = True

    def started(self, now: float, pace: Pace) -> None:
        """Records a start."""
        self.running += 1
        self._waits = self._repeats = False
        self._last = now
        if self._beat <= now:
            # Beats missed in a long pause are skipped.
            self._beat += pace.interval * ((now - self._beat) // pace.interval + 1)

    def finished(self, now: float) -> None:
        """Records an end."""
        self.running -= 1
        self._ended = now

    def repeat(self) -> None:
        """Requests another start at once, because the last result said nothing about the peer."""
        self._repeats = True

    def due(self, pace: Pace) -> float | None:
        """Returns the time of the next start, None while it depends on a check that waits or is under way."""
        if self._waits:
            return None
        if self._last is None:
            return self._first
        if self.running:
            if pace.eager is None or self.running >= pace.most:
                return None
            return max(self._last + pace.eager, self._ended)
        if self._repeats:
            return self._ended
        wanted = max(self._last, self._rests_until) + pace.interval
        # In doubt, not the next beat, which may be a moment away: two failures within a moment prove no more than one.
        wanted = min(wanted, self._beat if pace.fast is None else self._last + pace.fast)
        return max(wanted, self._ended)


class Schedule(Generic[K]):
    """A queue of keys by start time; overdue counts starts more than 50 ms late, latest is the greatest delay."""

    def __init__(self) -> None:
        self.overdue = 0
        self.latest = 0.0
        # Entries are tuples of numbers, without the key, so that Python's garbage collector does not traverse them.
        self._heap: list[tuple[float, int]] = []
        # The valid entry of each key, and the key of each valid entry; other entries in the heap are stale.
        self._current: dict[K, tuple[float, int]] = {}
        self._keys: dict[int, K] = {}
        self._sequence = count()

    def put(self, key: K, due: float | None) -> None:
        """Schedules, reschedules or (None) cancels the start of a key."""
        present = self._current.get(key)
        if present is not None:
            if present[0] == due:
                return
            del self._current[key], self._keys[present[1]]
        if due is None:
            return
        entry = due, next(self._sequence)
        self._current[key] = entry
        self._keys[entry[1]] = key
        heappush(self._heap, entry)
        if len(self._heap) > 64 + 4 * len(self._current):
            self._heap = sorted(self._current.values())

    def next(self) -> float | None:
        """Returns the time of the first start, None when none is scheduled."""
        while self._heap:
            due, number = self._heap[0]
            if number in self._keys:
                return due
            heappop(self._heap)
        return None

    def take(self, now: float) -> K | None:
        """Removes and returns the first key that is due, None when none is."""
        due = self.next()
        if due is None or due > now:
            return None
        key = self._keys.pop(heappop(self._heap)[1])
        del self._current[key]
        self.count_delay(now - due)
        return key

    def count_delay(self, seconds: float) -> None:
        """Records the delay of a start."""
        self.latest = max(self.latest, seconds)
        self.overdue += seconds > LATE
