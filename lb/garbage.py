"""Garbage of a process that keeps much and makes little: looked for often, and only among what is new."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# In so many seconds 10,000 backends bring thousands of objects, which are looked through in milliseconds. All that is
# kept takes tenths of a second, and Python by itself would look through it whenever a quarter of it is new.
_EVERY = 0.2
# What has been kept for a while and then becomes garbage that refers to itself waits for so many seconds.
_WHOLE_EVERY = 3600.0


@asynccontextmanager
async def looked_for() -> AsyncIterator[None]:
    """Looks for garbage now and then in place of Python, until the block ends."""
    was_enabled = gc.isenabled()
    gc.disable()
    # All that there is already, as long as nothing waits for it.
    _look()
    task = asyncio.create_task(_look_again())
    try:
        yield
    finally:
        task.cancel()
        gc.unfreeze()
        if was_enabled:
            gc.enable()


async def _look_again() -> None:
    whole = time.monotonic() + _WHOLE_EVERY
    while True:
        await asyncio.sleep(_EVERY)
        if time.monotonic() >= whole:
            gc.unfreeze()
            whole = time.monotonic() + _WHOLE_EVERY
        _look()


def _look() -> None:
    """Looks for it among what is new; what turns out to be in use is not looked through again."""
    gc.collect()
    gc.freeze()
