"""Coalesces concurrent requests for the same work (single-flight), and caches a result for a second."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from ..nft.run import KernelError

T = TypeVar("T")
# The TTL of a result in seconds.
_FRESH = 1.0


class Shared(Generic[T]):
    """Runs one piece of work at a time; all callers that come during a run share the next run."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def fresh(self) -> T:
        """Returns the result of a run that starts after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
            self._next.add_done_callback(_look_at)
        # A caller that is cancelled must not cancel the work of the others.
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Cancels the runs that are under way."""
        tasks = [task for task in (self._running, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _after(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._work()


class Recent(Generic[T]):
    """Caches a result for a TTL of one second; after that, the next callers share one new run."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._task: asyncio.Task[T] | None = None
        self._made = 0.0

    async def get(self) -> T:
        """Returns the result, or raises the exception of the run."""
        if self._task is None or (self._task.done() and asyncio.get_running_loop().time() >= self._made + _FRESH):
            self._task = asyncio.create_task(self._work())
            self._task.add_done_callback(_look_at)
        # A caller that is cancelled must not cancel the run of the others.
        return await asyncio.shield(self._task)

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None and not self._task.done()

    @property
    def is_kept(self) -> bool:
        """Whether a run is under way, or its result has not been taken."""
        return self._task is not None

    def take(self) -> T | None:
        """Removes and returns the result once its TTL is over; None before that, without a run or if it failed."""
        task = self._task
        if task is None or self.is_busy or asyncio.get_running_loop().time() < self._made + _FRESH:
            return None
        self._task = None
        return None if task.cancelled() or task.exception() is not None else task.result()

    async def close(self) -> None:
        """Cancels the run that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> T:
        try:
            return await self._make()
        finally:
            self._made = asyncio.get_running_loop().time()


async def in_own_thread(call: Callable[[], T]) -> T:
    """Returns the result of a blocking call in a daemon thread of its own, for which the process's end does not wait.

    The loop has few threads, which the operator's commands need. KernelError when no thread can be started.
    """
    future = Future[T]()

    def work() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    try:
        threading.Thread(target=work, name="look", daemon=True).start()
    except RuntimeError as error:
        raise KernelError(f"this machine has no thread left: {error}") from error
    return await asyncio.wrap_future(future)


def _look_at(task: asyncio.Task[T]) -> None:
    """Retrieves a task's exception, which asyncio otherwise logs when no caller waits for the task any more."""
    if not task.cancelled():
        task.exception()
