"""Descriptors: the limit of this process, the number of checks that it allows, and writing to descriptors."""

from __future__ import annotations

import os
import resource
import select

from .server import MOST_DESCRIPTORS

# Descriptors reserved for the rest of the process: reports, name look-ups, and those that checks open only briefly.
SPARE = 64
# The part of SPARE for descriptors that every program has open: the standard ones, those of its loop and its log.
_USUAL = 32
_ENDLESS = 1 << 30


def limit() -> int:
    """Returns the number of descriptors that this process may have open: the soft limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENDLESS if soft == resource.RLIM_INFINITY else soft


def raise_limit() -> None:
    """Raises the soft limit to the hard one; for commands only, because a library must not change its caller."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # The hard limit is infinite, but the kernel refuses more than its own maximum: the soft limit stays.
            pass


class Allowance:
    """The descriptors that the checks of a survey may have open together, besides those open at its creation.

    From its start on, a check is counted with the most descriptors that it may have open at a time: when an FTP check
    opens its data connection, other checks may have taken the rest. The number is the probe's attribute descriptors, by
    default 1; four for every check would limit a survey of greetings to a quarter of the checks. The survey must start
    a check that it has taken from its caller, and learns its number only then: there is room when the largest fits.
    """

    __slots__ = ("_most", "_taken")

    def __init__(self) -> None:
        self._most = limit() - SPARE - max(0, _open() - _USUAL)
        self._taken = 0

    def has_room(self) -> bool:
        """Tells whether a further check of any kind may start; always true when no check runs."""
        return not self._taken or self._taken + MOST_DESCRIPTORS <= self._most

    def take(self, probe: object) -> None:
        """Adds the descriptors of a check that starts to the number taken."""
        self._taken += _descriptors(probe)

    def give(self, probe: object) -> None:
        """Subtracts the descriptors of a check that has ended from the number taken."""
        self._taken -= _descriptors(probe)


def _open() -> int:
    """Returns the number of descriptors that this process has open, 0 when it cannot be read."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        # No /proc, as in a bare chroot, or no free descriptor to read it with; the checks then report the lack.
        return 0


def _descriptors(probe: object) -> int:
    count: int = getattr(probe, "descriptors", 1)
    return count


def write_some(descriptor: int, data: memoryview) -> int:
    """Writes a part of the data, blocking until the descriptor accepts some, and returns its length; raises OSError."""
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            # Another process that shares the open file description has made it non-blocking.
            room = select.poll()
            room.register(descriptor, select.POLLOUT)
            room.poll()


def fill_standard_descriptors() -> None:
    """Opens /dev/null on standard input, output and error where they are closed.

    Otherwise the first socket could get descriptor 1, and printed text would be sent to the peer.
    """
    while os.open(os.devnull, os.O_RDWR) <= 2:
        pass
