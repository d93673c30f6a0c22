"""Detects a full conntrack table, because of which this machine drops the packets of its own probes."""

from __future__ import annotations

from pathlib import Path

from ..nft.fullness import Fullness, flows, totals

# Seconds between two reads of the kernel's files, at least.
_APART = 0.02
# The drop counter has other causes too (two packets of a new flow at once); below 90 % the table is not blamed for it.
_NEARLY = 0.9
# Seconds without a sign before the table counts as no longer full; under a flood it fills many times a second.
_QUIET = 10.0


class FlowTable:
    """The conntrack table of this network namespace; times are those of the caller's clock.

    held is the number of flows and their limit, None where /proc does not have them.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self.held: Fullness | None = None
        self._looked = float("-inf")
        self._drops: int | None = None
        self._was_near = False
        # Time of the last look that found the table full now, or full since the look before.
        self._full = float("-inf")

    def look(self, now: float) -> None:
        """Reads the kernel's files, at most every 0.02 s."""
        if now - self._looked < _APART:
            return
        self._looked = now
        held = self.held = flows(self._proc)
        if held is None or not held.limit:
            # No limit, or conntrack is not loaded.
            self._drops = None
            return
        statistics = self._proc / "net/stat/nf_conntrack"
        before, self._drops = self._drops, next(iter(totals(statistics, "drop")), None)
        was_near, self._was_near = self._was_near, held.count >= _NEARLY * held.limit
        has_dropped = before is not None and self._drops is not None and self._drops > before
        if held.count >= held.limit or (has_dropped and (was_near or self._was_near)):
            self._full = now

    def was_full(self, since: float) -> bool:
        """Returns whether the last look found the table full at any time after since."""
        return self._full >= since

    def is_full(self, now: float) -> bool:
        """Returns whether the table was full within the last 10 s."""
        return now - self._full < _QUIET

    def __str__(self) -> str:
        return f"the connection-tracking table is full ({self.held} flows)"
