"""Whether a program that takes long is at work or hangs: the processor time of it and its children, and its state."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

# A program that sleeps and uses no processor for so many seconds hangs: nothing that is asked of the kernel sleeps.
IDLE = 10.0
# However busy it is, it is ended after so many seconds.
LONGEST = 1800.0
# Seconds between two looks.
LOOK = 0.5
# Of /proc/PID/stat behind the name: state, user and system time of it, and of its children that have ended.
_STATE, _TIMES = 0, slice(11, 15)
# On a processor or waiting for one; in the kernel, where a signal does not reach it.
_AT_WORK = frozenset("RD")
# When one was last looked at in this process.
_LAST = [float("-inf")]


def last_look() -> float:
    """Returns when (monotonic) a program that this process waits for was last looked at; each is given up in time."""
    return _LAST[0]


class Progress:
    """Looks at a process, whose executable is at a path; idle is after how many seconds of nothing it hangs."""

    def __init__(self, pid: int, path: str, *, idle: float = IDLE, longest: float = LONGEST) -> None:
        self._pid = pid
        self._path = path
        self._file = _identity(path)
        self._idle = idle
        self._began = self._looked = time.monotonic()
        self._longest = longest
        self._used = -1
        self._slept = 0.0

    @property
    def look(self) -> float:
        """The seconds after which to look again."""
        return min(LOOK, self._idle / 3)

    def trouble(self) -> str | None:
        """Returns why it is not waited for any longer, None while it is at work."""
        _LAST[0] = now = time.monotonic()
        used, is_at_work = _look(self._pid)
        # Where this process was stopped, the other one was perhaps stopped with it, and is not to blame.
        slept, self._looked = min(now - self._looked, 2 * self.look), now
        self._slept = 0.0 if is_at_work or used != self._used else self._slept + slept
        self._used = used
        if self._slept >= self._idle:
            return f"did not answer within {self._idle:g} seconds, and does nothing"
        if now - self._began >= self._longest:
            return f"did not end within {self._longest:g} seconds"
        if _identity(self._path) != self._file:
            return "was replaced by another program meanwhile"
        return None


def _identity(path: str) -> tuple[int, ...] | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return None


def _look(pid: int) -> tuple[int, bool]:
    """Returns the processor time in ticks that a process and its descendants have used, and whether one is at work."""
    used, is_at_work = 0, False
    pending = [pid]
    while pending:
        one = pending.pop()
        with suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            used += sum(map(int, fields[_TIMES]))
            is_at_work = is_at_work or fields[_STATE] in _AT_WORK
            pending += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return used, is_at_work
