"""Descriptors: how many this process may have open, for how many checks they are enough, and writing to them."""

from __future__ import annotations

import os
import resource
import select

from .server import MOST_DESCRIPTORS

# Left to the rest of the process: reports, name look-ups, and what checks open and close at once.
SPARE = 64
# Those of SPARE that every program has open anyway: the standard ones, those of its loop and its log.
_USUAL = 32
_ENDLESS = 1 << 30


def limit() -> int:
    """Returns how many descriptors this process may have open: the soft limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENDLESS if soft == resource.RLIM_INFINITY else soft


def raise_limit() -> None:
    """Raises the soft limit to the hard one, for a command: in a library it would change the caller's process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # An endless limit that the kernel's own bound contradicts; what there was must do.
            pass


class Allowance:
    """The descriptors that the checks of a survey may have open together, besides those that are open when it is made.

    From its start on, a check counts with the most that it may have open at a time: when an FTP check opens its data
    connection, other checks may have taken the rest. The number is the probe's attribute descriptors, 1 without it. If
    it were four for all, a survey of greetings would run a quarter of the checks that the limit allows. The survey
    learns which check is next by taking it from its caller, and must start it then, so there is room if the largest
    fits.
    """

    __slots__ = ("_most", "_taken")

    def __init__(self) -> None:
        self._most = limit() - SPARE - max(0, _open() - _USUAL)
        self._taken = 0

    def has_room(self) -> bool:
        """Tells whether one more check may start, whichever it is; when none runs, it may in any case."""
        return not self._taken or self._taken + MOST_DESCRIPTORS <= self._most

    def take(self, probe: object) -> None:
        """Counts the check of a probe, which starts."""
        self._taken += _descriptors(probe)

    def give(self, probe: object) -> None:
        """Ceases to count the check of a probe, which has ended."""
        self._taken -= _descriptors(probe)


def _open() -> int:
    """Returns how many descriptors this process has open."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        # Without /proc, as in a bare chroot, or with all of them in use; the checks say so then.
        return 0


def _descriptors(probe: object) -> int:
    count: int = getattr(probe, "descriptors", 1)
    return count


def write_some(descriptor: int, data: memoryview) -> int:
    """Writes a part of the data and returns its length, as soon as the descriptor takes any; OSError."""
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            # A process that has the same pipe has made it non-blocking.
            room = select.poll()
            room.register(descriptor, select.POLLOUT)
            room.poll()


def fill_standard_descriptors() -> None:
    """Gives the numbers of standard input, output and error, as far as they are closed, to /dev/null.

    The first socket would get the number of a standard output that is closed, and what is printed would go to the peer.
    """
    while os.open(os.devnull, os.O_RDWR) <= 2:
        pass
