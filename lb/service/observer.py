"""Reads the kernel's table and counts flows for status and metrics, off the guardian's loop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from ..nft import conntrack, fullness, observed
from ..nft.observed import FLOWS, TABLE, Facts, Reader
from ..nft.run import KernelError, run
from .paced import paced
from .shared import Shared, in_own_thread

# Up to these sizes, a thread of this process reads within 2 ms; beyond, a child process reads, which costs 0.1 s.
_FEW_BACKENDS = 300
_FEW_FLOWS = 10_000
# Timeouts of a child process in seconds; a million flows are counted in 5 s.
_TABLE_TIMEOUT, _FLOWS_TIMEOUT = 120.0, 60.0
# Seconds after which a count of flows is too old to be shown.
_OLDEST = 120.0
T = TypeVar("T")


class Observer:
    """Reads noidlb's table and counts the flows, in separate threads; concurrent callers share one read.

    count_backends() returns the number of backends, which tells the size of the table.
    """

    def __init__(self, count_backends: Callable[[], int]) -> None:
        self._count_backends = count_backends
        # The last count, and when it was finished.
        self._last: tuple[Mapping[int, int] | None, float] = None, 0.0
        self._tables = Shared(self._look_at_table)
        self._counts = Shared(self._count_flows)

    async def table(self) -> Facts:
        """Returns the current summary of the table; raises KernelError."""
        return await self._tables.fresh()

    async def flows(self, patience: float) -> Mapping[int, int] | None:
        """Returns the number of flows by mark, or the last count when a new one takes more than patience seconds.

        None when flows cannot be counted, or the last count is too old. A slow count continues for the next caller.
        """
        try:
            async with asyncio.timeout(patience):
                return await self._counts.fresh()
        except KernelError:
            return None
        except TimeoutError:
            counted, when = self._last
            return counted if time.monotonic() - when < _OLDEST else None

    async def close(self) -> None:
        """Cancels the reads that are under way."""
        await self._tables.close()
        await self._counts.close()

    async def _look_at_table(self) -> Facts:
        if self._count_backends() <= _FEW_BACKENDS:
            return await in_own_thread(observed.read_table)
        return (await _read(TABLE, _TABLE_TIMEOUT)).facts

    async def _count_flows(self) -> Mapping[int, int]:
        held = fullness.flows()
        if held is None or held.count <= _FEW_FLOWS:
            found: Mapping[int, int] = await in_own_thread(conntrack.count)
        else:
            found = (await _read(FLOWS, _FLOWS_TIMEOUT)).flows
        self._last = found, time.monotonic()
        return found


async def _read(what: str, seconds: float) -> Reader:
    argv = (sys.executable, "-P", "-m", observed.__name__, what)
    answer = await in_own_thread(lambda: run(argv, timeout=seconds))
    if answer.code:
        lines = answer.errors.strip().splitlines()
        raise KernelError(lines[-1] if lines else f"a look at the {what} ended with exit code {answer.code}")
    reader = Reader()
    await paced(reader.take(answer.output.splitlines()))
    return reader
