"""Whether the kernel's table of connections is full, so that this machine drops packets of its own probes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

# Looks at the kernel's files are at least so many seconds apart.
_APART = 0.02
# Packets are dropped for other reasons too (two of one flow at once); only above this share for want of room.
_NEARLY = 0.9
# After so many seconds without a sign of it, the table is no longer full: under a flood it is so many times a second.
_QUIET = 10.0


class FlowTable:
    """The table of this network namespace; times are those of the caller's clock.

    used and most are the flows in it and their limit, None where nobody tells.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._counts = proc / "sys/net/netfilter/nf_conntrack_count", proc / "sys/net/netfilter/nf_conntrack_max"
        self._statistics = proc / "net/stat/nf_conntrack"
        self.used: int | None = None
        self.most: int | None = None
        self._looked = float("-inf")
        self._drops: int | None = None
        self._was_near = False
        # When it was last seen to be full, or to have been so since the look before.
        self._full = float("-inf")

    def look(self, now: float) -> None:
        """Looks, unless that has been done just now."""
        if now - self._looked < _APART:
            return
        self._looked = now
        self.used, self.most = map(_number, self._counts)
        if not self.most or self.used is None:
            # No limit, or no such table.
            self._drops = None
            return
        before, self._drops = self._drops, self._dropped()
        was_near, self._was_near = self._was_near, self.used >= _NEARLY * self.most
        has_dropped = before is not None and self._drops is not None and self._drops > before
        if self.used >= self.most or (has_dropped and (was_near or self._was_near)):
            self._full = now

    def was_full(self, since: float) -> bool:
        """Tells whether it was full at any time since then, as far as the last look tells."""
        return self._full >= since

    def is_full(self, now: float) -> bool:
        """Tells whether it is full, or was a short while ago."""
        return now - self._full < _QUIET

    def __str__(self) -> str:
        return f"the connection-tracking table is full ({self.used} of {self.most} flows)"

    def _dropped(self) -> int | None:
        """Returns how many packets were dropped by now; a line for each processor, in hexadecimal."""
        with suppress(OSError, ValueError, IndexError):
            head, *lines = self._statistics.read_text().splitlines()
            column = head.split().index("drop")
            return sum(int(line.split()[column], 16) for line in lines)
        return None


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None
