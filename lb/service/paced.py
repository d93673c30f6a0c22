"""Long work on the guardian's loop, in slices between which probes start and answers are read.

Python's collector of cycles is part of that work. It looks through 700 new objects at a time, and now and then through
all that there are. The first takes a fraction of a millisecond; the second takes 50 to 150 ms at once while the objects
of a page about 10,000 backends are there, and finds nothing among them. So it waits until they are gone.

Work in another thread holds up the loop in another way. Of all threads one runs Python code at a time, and a thread
that computes is asked for its turn only when another one has waited for the switch interval, 5 ms. The loop gives up
its turn with each system call, six or more in a check: beside a thread that reads a large file, each check took 30 ms
and not a third of one.
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
# Seconds that a slice takes: by so much a probe may start, or its answer be read, later.
_SLICE = 0.001
# The switch interval of a process that checks; the kernel's timers make some 60 us of it.
_SWITCH = 0.00001
# The collector's second and third threshold meanwhile: what is left of three collections of new objects is looked
# through again, which is some 2,000 objects, and all objects never.
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
    """Takes all items of an iterator that makes them one by one, each in much less than a millisecond.

    What they are made from may change between two slices.
    """
    taken: list[T] = []
    with sparing():
        slice_ = Slice()
        for item in items:
            taken.append(item)
            await slice_.pause()
    return taken


def used_up(items: list[T]) -> Iterator[T]:
    """Yields the items of a list that nothing else needs, in their order, and lets go of each before the next.

    To let go of 10,000 at once would be a long slice of its own.
    """
    items.reverse()
    while items:
        yield items.pop()


@contextmanager
def sparing() -> Iterator[None]:
    """Keeps the collector from looking through all objects meanwhile."""
    # Several may be under way; the last one to end restores what the first has found.
    _sparing.append(gc.get_threshold() if not _sparing else _sparing[0])
    gc.set_threshold(_sparing[0][0], _MIDDLE, _NEVER)
    try:
        yield
    finally:
        thresholds = _sparing.pop()
        if not _sparing:
            gc.set_threshold(*thresholds)


def take_turns() -> None:
    """Lets a thread that computes give way to the loop at once, in this whole process."""
    sys.setswitchinterval(_SWITCH)


def exempt(oldest: int = 2) -> None:
    """Exempts from the collector what lives now, for good; garbage goes first, or it would stay as long.

    oldest is the last of the generations whose garbage goes. To look through the third one, 2, takes 0.3 s and more
    when the farms of 10,000 backends are new there, and next to nothing once they are exempt. With 1, garbage that is
    there stays for good, such as connections of asyncio's, each of which is a cycle once it is closed: hence the
    service collects all before it reads new farms.
    """
    gc.collect(oldest)
    gc.freeze()
    # The collector looks through all again when a quarter more is there than it saw last. That is next to nothing now,
    # so its looks will be many and short; else it would wait for 100,000 objects, and need 0.1 s for them.
    gc.collect()
