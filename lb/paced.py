"""Long work on the guardian's loop, in slices between which probes start and answers are read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
# Seconds that a slice takes: by so much a probe may start, or its answer be read, later.
_SLICE = 0.001


async def paced(items: Iterable[T]) -> list[T]:
    """Takes all items of an iterator that makes them one by one, each in much less than a millisecond.

    What they are made from may change between two slices.
    """
    taken: list[T] = []
    until = time.monotonic() + _SLICE
    for item in items:
        taken.append(item)
        if time.monotonic() >= until:
            await asyncio.sleep(0)
            until = time.monotonic() + _SLICE
    return taken
