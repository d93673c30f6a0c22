"""Long work on the guardian's loop, in slices between which probes start and answers are read."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
# Seconds that a slice takes: by so much a probe may start, or its answer be read, later.
_SLICE = 0.001
_under_way = [0]


async def paced(items: Iterable[T]) -> list[T]:
    """Takes all items of an iterator that makes them one by one, each in much less than a millisecond.

    What they are made from may change between two slices.
    """
    taken: list[T] = []
    with _uncollected():
        until = time.monotonic() + _SLICE
        for item in items:
            taken.append(item)
            if time.monotonic() >= until:
                await asyncio.sleep(0)
                until = time.monotonic() + _SLICE
    return taken


@contextmanager
def _uncollected() -> Iterator[None]:
    """Disables Python's cycle collector meanwhile, which takes 15 ms at once for the objects of 10,000 backends."""
    if not _under_way[0] and not gc.isenabled():
        # Another part of the program has disabled it.
        yield
        return
    _under_way[0] += 1
    gc.disable()
    try:
        yield
    finally:
        _under_way[0] -= 1
        if not _under_way[0]:
            gc.enable()
