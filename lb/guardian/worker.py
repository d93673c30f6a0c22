"""Runs the guardian's kernel changes in one thread, and says how long it has made no progress (systemd's watchdog)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from ..nft.progress import last_look
from ..nft.run import KernelError

T = TypeVar("T")
# Seconds of processor time that are progress; a waiting thread uses microseconds.
_COMPUTING = 0.05


class Worker:
    """A thread that runs blocking calls one after another."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "kernel")
        self._thread = 0
        self._busy_since: float | None = None
        self._used = self._seen_at_work = 0.0

    async def run(self, call: Callable[[], T]) -> T:
        """Runs a call in the thread and returns its result, or raises its exception; KernelError without a thread."""
        return await in_thread(partial(self._timed, call), self._executor)

    @property
    def is_busy(self) -> bool:
        """Whether a call is running."""
        return self._busy_since is not None

    def stalled(self) -> float:
        """Returns the seconds since the running call last made progress; 0 when none runs.

        A call that waits for nft looks at that process twice a second and ends it when it hangs (progress.py). A call
        that neither looks at a process nor uses processor time is stuck.
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
        """Ends the thread after the queued calls."""
        self._executor.shutdown()

    def _timed(self, call: Callable[[], T]) -> T:
        self._thread, self._busy_since = threading.get_ident(), time.monotonic()
        try:
            return call()
        finally:
            self._busy_since = None


def in_thread(call: Callable[[], T], executor: ThreadPoolExecutor | None = None) -> asyncio.Future[T]:
    """Begins a blocking call in a thread, by default one of the loop; KernelError when none can be started."""
    try:
        return asyncio.get_running_loop().run_in_executor(executor, call)
    except RuntimeError as error:
        raise KernelError(f"this machine has no thread left: {error}") from error
