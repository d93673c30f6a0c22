"""The hook: a command of the operator that the guardian runs for each event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from zlib import crc32

from noidchecks.status.result import Result

from ..events import Event, EventLog, stamp, to_json
from ..guardian.process import ProcessPool

# Concurrent runs; a backend always has the same worker, which keeps its events in order.
_WORKERS = 4
_WAITING = 500
# Seconds between two reports of failures.
_QUIET = 60.0


class Hook:
    """Runs a command for each event, in order for each backend, without blocking the guardian.

    The command gets the event as JSON on its standard input and in its environment, as NOIDLB_KIND, NOIDLB_FARM and so
    on. It runs without a shell in its own process group, which is killed after timeout seconds. Failures, and events
    that are dropped because 500 wait for their worker, are reported as an event, at most one per minute.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self.configure((), 0.0)
        self._foreign = ProcessPool(_WORKERS)
        self._queues = [asyncio.Queue[Event](_WAITING) for _ in range(_WORKERS)]
        self._workers: list[asyncio.Task[None]] = []
        self._untold = 0
        self._reported = -_QUIET
        # For the metrics.
        self.runs = self.failures = 0

    def configure(self, argv: Sequence[str], timeout: float) -> None:
        """Replaces the command; an empty one disables the hook."""
        self._argv = tuple(argv)
        self._timeout = timeout

    def start(self) -> None:
        """Subscribes to the events."""
        self._workers = [asyncio.create_task(self._work(queue)) for queue in self._queues]
        self._events.subscribe(self.take)

    def take(self, event: Event) -> None:
        """Queues an event without blocking."""
        if not self._argv or event.kind == "hook-failed":
            # It is not run for its own failures, which would loop.
            return
        queue = self._queues[crc32(f"{event.farm}/{event.backend}".encode()) % _WORKERS]
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            self._fail(f"too many events wait for {self._argv[0]}")

    async def close(self) -> None:
        """Runs the command for queued events, for at most the timeout of one run, then kills running commands."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await asyncio.gather(*(queue.join() for queue in self._queues))
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._foreign.close()

    async def _work(self, queue: asyncio.Queue[Event]) -> None:
        while True:
            event = await queue.get()
            try:
                await self._run(event)
            finally:
                queue.task_done()

    async def _run(self, event: Event) -> None:
        if not self._argv:
            # configure() has removed the command since the event was queued.
            return
        ended: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def end(result: Result) -> None:
            # The worker may have been cancelled meanwhile.
            if not ended.done():
                ended.set_result(result)

        self.runs += 1
        given, environment = f"{to_json(event)}\n".encode(), _environment(event)
        self._foreign.start(self._argv, self._timeout, end, given=given, environment=environment)
        result = await ended
        if not result.ok:
            self._fail(result.text)

    def _fail(self, reason: str) -> None:
        self.failures += 1
        now = time.monotonic()
        if now - self._reported < _QUIET:
            self._untold += 1
            return
        more = f" (and {self._untold} failures more since the last one that was told)" if self._untold else ""
        self._reported, self._untold = now, 0
        self._events.report("hook-failed", f"{reason}{more}")


def _environment(event: Event) -> dict[str, str]:
    return {
        "NOIDLB_TIME": stamp(event.time),
        "NOIDLB_KIND": event.kind,
        "NOIDLB_FARM": event.farm,
        "NOIDLB_BACKEND": event.backend,
        "NOIDLB_ADDRESS": event.address,
        "NOIDLB_REASON": event.reason,
        "NOIDLB_PROBE": event.probe,
        "NOIDLB_SINCE": "" if event.since is None else stamp(event.since),
    }
