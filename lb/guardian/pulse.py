"""Detects pauses of this process: stopped, without processor time, or on a suspended machine; pure but for clocks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

# Seconds between two beats, and the delay from which on a beat ends a gap.
PERIOD = 0.1
_LATE = 0.1
_KEPT = 64


def _clocks() -> tuple[float, float]:
    # BOOTTIME advances during suspend; the wall clock is corrected after a virtual machine resumes from a snapshot.
    return time.clock_gettime(time.CLOCK_BOOTTIME), time.time()


class Pulse:
    """The gaps between the beats of a loop; times are those of the loop's clock.

    A running loop beats every 0.1 s. During a gap no check of this process made progress: an answer that arrived in
    time is read after its deadline, and the check fails although its peer is well.
    """

    def __init__(self, now: float, clocks: Callable[[], tuple[float, float]] = _clocks) -> None:
        self._clocks = clocks
        self._last = (now, *clocks())
        # End and length of each gap, in seconds.
        self._gaps: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def beat(self, now: float) -> float:
        """Records a beat and returns the length of the gap before it in seconds, 0 when it came in time."""
        present = (now, *self._clocks())
        gap = max(after - before for before, after in zip(self._last, present, strict=True)) - PERIOD
        self._last = present
        if gap <= _LATE:
            return 0.0
        self._gaps.append((now, gap))
        return gap

    def lost(self, since: float) -> float:
        """Returns the total length of the gaps that ended since then, in seconds."""
        return sum(gap for end, gap in self._gaps if end >= since)
