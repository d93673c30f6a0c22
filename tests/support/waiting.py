"""Waiting for what happens by itself and sends no event, with time enough for a busy machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Longer than anything takes that is waited for.
LONG = 60.0
# Of a check that is to run into its deadline, and must have come to some point before: the next one is for a machine
# that was too slow for the one before.
DEADLINES = (0.5, 4.0, 20.0)


def with_time_enough(attempt: Callable[[float], T], is_done: Callable[[T], object]) -> T:
    """Returns what the first of the deadlines gives that has left time enough; the last one's, whatever it is."""
    for timeout in DEADLINES:
        result = attempt(timeout)
        if is_done(result):
            break
    return result


def until(holds: Callable[[], object], patience: float = LONG, told: Callable[[], object] = lambda: "") -> None:
    """Returns when it holds; AssertionError, with what is told then, when it does not within so many seconds."""
    limit = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < limit, told()
        time.sleep(0.002)


async def until_async(holds: Callable[[], object], patience: float = LONG) -> None:
    """Is `until` for a test on an event loop, which goes on meanwhile; TimeoutError."""
    async with asyncio.timeout(patience):
        while not holds():  # noqa: ASYNC110 - what is waited for sends no event
            await asyncio.sleep(0.005)
