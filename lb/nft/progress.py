"""Tells a busy program from one that hangs, by the processor time and state of it and its children.

A fixed time limit would either end an nft that is at work on a large ruleset on a slow machine, or wait minutes for one
that hangs. nft never sleeps while it is at work: it computes, or waits inside the kernel in state D.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

# Seconds of sleep without processor time after which a program hangs.
IDLE = 10.0
# Seconds after which even a busy program is ended.
LONGEST = 1800.0
# Seconds between two looks.
LOOK = 0.5
# Fields of /proc/PID/stat behind the name: the state; user and system time of the process and of its ended children.
_STATE, _TIMES = 0, slice(11, 15)
# R: on a processor or waiting for one; D: inside the kernel, in uninterruptible sleep.
_AT_WORK = frozenset("RD")
# Time (monotonic) of the last look, by any Progress of this process.
_LAST = [float("-inf")]


def last_look() -> float:
    """Returns the time (monotonic) of the last look at a program: a call that still looks is waiting, not stuck."""
    return _LAST[0]


class Progress:
    """Watches a process whose executable is at path; it hangs after idle seconds without processor time."""

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
        """Seconds until the next look."""
        return min(LOOK, self._idle / 3)

    def trouble(self) -> str | None:
        """Returns why the process is given up; None while it is at work."""
        _LAST[0] = now = time.monotonic()
        used, is_at_work = _look(self._pid)
        # When this process was paused (SIGSTOP, a suspended machine), the other one may have been paused with it: a
        # longer gap between two looks counts as two looks at most.
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


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _look(pid: int) -> tuple[int, bool]:
    """Returns the processor time of a process and its descendants in clock ticks, and whether one is at work."""
    used, is_at_work = 0, False
    pending = [pid]
    while pending:
        one = pending.pop()
        with suppress(OSError, ValueError, IndexError):
            fields = _text(f"/proc/{one}/stat").rpartition(")")[2].split()
            used += sum(map(int, fields[_TIMES]))
            is_at_work = is_at_work or fields[_STATE] in _AT_WORK
            pending += map(int, _text(f"/proc/{one}/task/{one}/children").split())
    return used, is_at_work
