"""When this process did not run: stopped, starved of the processor, or with the machine asleep; pure but for clocks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

# Seconds between two beats, and how much later than that one may come before it counts as a gap.
PERIOD = 0.1
_LATE = 0.1
_KEPT = 64


def _clocks() -> tuple[float, float]:
    # The first goes on while the machine sleeps; the second is put right after a snapshot of it was resumed.
    return time.clock_gettime(time.CLOCK_BOOTTIME), time.time()


class Pulse:
    """Gaps between the beats of a loop; times are those of the loop's clock.

    A loop that runs beats every PERIOD seconds. Whatever is seen to be missing between two beats was taken from all
    that the process does meanwhile: an answer that came in a gap is read after its deadline.
    """

    def __init__(self, now: float, clocks: Callable[[], tuple[float, float]] = _clocks) -> None:
        self._clocks = clocks
        self._last = (now, *clocks())
        # The end and the length in seconds of each.
        self._gaps: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def beat(self, now: float) -> float:
        """Takes note of a beat, and returns for how many seconds there should have been one before it."""
        present = (now, *self._clocks())
        gap = max(after - before for before, after in zip(self._last, present, strict=True)) - PERIOD
        self._last = present
        if gap <= _LATE:
            return 0.0
        self._gaps.append((now, gap))
        return gap

    def lost(self, since: float) -> float:
        """Returns the seconds that are missing from what has run since then."""
        return sum(gap for end, gap in self._gaps if end >= since)
