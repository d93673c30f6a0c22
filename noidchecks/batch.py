"""Runs many probes: survey, survey_async."""

from __future__ import annotations

from time import monotonic

from .descriptors import Allowance
from .drivers.poll import WaitUntil, run_many
from .probe import finish_or_unknown, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from typing import TypeVar

    from .contract import Probe
    from .drivers.session import Session
    from .status.result import Result

    P = TypeVar("P", bound=Probe)
    K = TypeVar("K")


def survey(probes: Iterable[P], *, concurrency: int = 1000, over: float = 0.0) -> Iterator[tuple[P, Result]]:
    """Runs many probes in this thread and yields (probe, result) as they finish.

    At most concurrency run at once, fewer when the process may not open enough descriptors: a check with data
    connections, or with an SSH login or host key, takes four descriptors, any other check one. With over, the starts
    are spread evenly over that number of seconds, so that the reported times include no queueing in this process.
    Probes are taken from the iterable as they are started (all at once with over). A defective probe yields UNKNOWN.
    ValueError for a concurrency below 1 or a negative or infinite over.
    """
    source, interval = _plan(probes, concurrency, over)

    def schedule() -> Iterator[tuple[P, Probe] | WaitUntil]:
        due = monotonic()
        for probe in source:
            if interval:
                yield WaitUntil(due)
                due += interval
            yield probe, probe

    return survey_schedule(schedule(), concurrency=concurrency)


def survey_schedule(
    schedule: Iterable[tuple[K, Probe] | WaitUntil],
    *,
    concurrency: int = 1000,
    is_stopped: Callable[[], bool] | None = None,
) -> Iterator[tuple[K, Result]]:
    """Runs (key, probe) pairs as survey() does and yields (key, result); the schedule may be endless.

    An exception of the schedule ends the survey and reaches the caller. Once is_stopped() is true, the survey abandons
    the running checks and ends, after the results of those that have ended.
    """
    running: dict[Session, tuple[K, Probe]] = {}
    allowance = Allowance()

    def sessions() -> Iterator[Session | WaitUntil]:
        for item in schedule:
            if isinstance(item, WaitUntil):
                yield item
                continue
            session = start(item[1])
            allowance.take(item[1])
            running[session] = item
            yield session

    for session in run_many(sessions(), concurrency, has_room=allowance.has_room, is_stopped=is_stopped):
        key, probe = running.pop(session)
        allowance.give(probe)
        yield key, finish_or_unknown(probe, session)


async def survey_async(
    probes: Iterable[P], *, concurrency: int = 1000, over: float = 0.0
) -> AsyncIterator[tuple[P, Result]]:
    """Runs many probes on the running asyncio loop, as survey() does."""
    import asyncio

    from .drivers.aio import AsyncLoop

    source, interval = _plan(probes, concurrency, over)
    loop = AsyncLoop()
    room = asyncio.Semaphore(concurrency)
    allowance = Allowance()
    given = asyncio.Event()
    running: dict[Session, P] = {}
    # The ended sessions; a single None says that no further session will be started.
    finished: asyncio.Queue[Session | None] = asyncio.Queue()

    def end(session: Session) -> None:
        room.release()
        allowance.give(running[session])
        given.set()
        finished.put_nowait(session)

    async def start_all() -> None:
        due = monotonic()
        for probe in source:
            await room.acquire()
            while not allowance.has_room():
                given.clear()
                await given.wait()
            await asyncio.sleep(max(0.0, due - monotonic()))
            due += interval
            session = start(probe)
            allowance.take(probe)
            running[session] = probe
            loop.start(session, end)

    starter = asyncio.create_task(start_all())
    starter.add_done_callback(lambda _: finished.put_nowait(None))
    try:
        while running or not starter.done():
            session = await finished.get()
            if session is None:
                # Raises the exception of the caller's iterable, if any, which ends the survey.
                await starter
            else:
                probe = running.pop(session)
                yield probe, finish_or_unknown(probe, session)
        await starter
    finally:
        starter.cancel()
        await asyncio.gather(starter, return_exceptions=True)
        loop.close()


def _plan(probes: Iterable[P], concurrency: int, over: float) -> tuple[Iterable[P], float]:
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")
    if not 0 <= over < float("inf"):
        raise ValueError(f"over must be seconds, 0 or more, not {over}")
    if not over:
        return probes, 0.0
    listed = list(probes)
    return listed, over / max(1, len(listed))
