"""Runs long work on the guardian's event loop in short slices, between which probes start and answers are read.

Python's garbage collector blocks the loop too. A collection of the youngest generation examines 700 objects in a
fraction of a millisecond. A full collection examines all objects: 50 to 150 ms at once while those of a page about
10,000 backends exist, and it frees none of them. Full collections are therefore suspended until these are gone.

Work in another thread delays the loop through the global interpreter lock (GIL). A thread that computes releases it
only after another one has waited for the switch interval, 5 ms. The loop releases it in each system call, six or more
per check: beside a thread that reads a large file, each check took 30 ms instead of a third of a millisecond.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
# Seconds per slice, and so the delay with which a probe may start, or its answer be read.
_SLICE = 0.001
# The switch interval of a process that checks; the granularity of the kernel's timers makes it some 60 us.
_SWITCH = 0.00001
# The garbage collector's second and third thresholds in sparing(): the survivors of three young collections, some 2,000
# objects, are examined once more; full collections do not happen.
_MIDDLE, _NEVER = 3, 1 << 30
_sparing: list[tuple[int, int, int]] = []


class Slice:
    """Tells long work when to let the rest of the loop run: after each millisecond."""

    def __init__(self) -> None:
        self._end = time.monotonic() + _SLICE

    async def pause(self) -> None:
        """Lets the loop run when the slice is over, and begins another one."""
        if time.monotonic() >= self._end:
            await asyncio.sleep(0)
            self._end = time.monotonic() + _SLICE


async def paced(items: Iterable[T]) -> list[T]:
    """Returns the items of an iterator as a list, and lets the loop run after each millisecond.

    The iterator must make each item in much less than a millisecond; the data it reads may change between two items.
    """
    taken: list[T] = []
    with sparing():
        slice_ = Slice()
        for item in items:
            taken.append(item)
            await slice_.pause()
    return taken


def used_up(items: list[T]) -> Iterator[T]:
    """Yields the items of a list that is not needed otherwise, in order, and frees each one before the next.

    Freeing 10,000 items at once would block the loop.
    """
    items.reverse()
    while items:
        yield items.pop()


@contextmanager
def sparing() -> Iterator[None]:
    """Suspends full garbage collections for the time of the with block."""
    # Blocks may overlap: the last one to end restores the thresholds that the first one found.
    _sparing.append(gc.get_threshold() if not _sparing else _sparing[0])
    gc.set_threshold(_sparing[0][0], _MIDDLE, _NEVER)
    try:
        yield
    finally:
        thresholds = _sparing.pop()
        if not _sparing:
            gc.set_threshold(*thresholds)


def take_turns() -> None:
    """Shortens this process's switch interval, so that a thread that computes yields to the loop at once."""
    sys.setswitchinterval(_SWITCH)


def exempt(oldest: int = 2) -> None:
    """Exempts all current objects from garbage collection for good; collects first, or garbage would stay too.

    oldest is the oldest generation that is collected. Generation 2, the third and last, takes 0.3 s and more when the
    farms of 10,000 backends are new in it, and almost nothing once they are exempt. With 1, garbage in generation 2
    stays for good, such as closed connections of asyncio, each of which is a reference cycle: hence the service runs a
    full collection before it reads new farms.
    """
    gc.collect(oldest)
    gc.freeze()
    # A full collection starts when the oldest generation has grown by a quarter since the last one. This one finds it
    # almost empty, so that later ones are frequent and short; otherwise the next would wait for 100,000 objects: 0.1 s.
    gc.collect()
