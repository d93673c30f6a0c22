"""The thread in which a guardian changes the kernel, and for how long it has not moved (systemd's watchdog)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..nft.progress import last_look

T = TypeVar("T")
# A thread that waits uses microseconds of the processor.
_COMPUTING = 0.05


class Worker:
    """Runs blocking calls in one thread, one after the other."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "kernel")
        self._thread = 0
        self._busy_since: float | None = None
        self._used = self._seen_at_work = 0.0

    async def run(self, call: Callable[[], T]) -> T:
        """Returns what a call returns, or raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._timed, call)

    @property
    def is_busy(self) -> bool:
        """Whether a call runs at the moment."""
        return self._busy_since is not None

    def stalled(self) -> float:
        """Returns for how many seconds the running call has made no progress; 0 when none runs.

        A call that waits for nft looks at that process now and then, and ends one that hangs. A call that neither looks
        nor uses the processor waits for something that will not come.
        """
        since = self._busy_since
        if since is None:
            return 0.0
        used = time.clock_gettime(time.pthread_getcpuclockid(self._thread))
        now = time.monotonic()
        if used - self._used > _COMPUTING:
            self._used, self._seen_at_work = used, now
        return now - max(since, self._seen_at_work, last_look())

    def close(self) -> None:
        """Ends the thread after the calls that wait."""
        self._executor.shutdown()

    def _timed(self, call: Callable[[], T]) -> T:
        self._thread, self._busy_since = threading.get_ident(), time.monotonic()
        try:
            return call()
        finally:
            self._busy_since = None
