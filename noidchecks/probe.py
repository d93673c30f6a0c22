"""The ways to run a probe: check, check_async, survey, survey_async."""

from __future__ import annotations

from time import monotonic

from .drivers.perform import PERFORM
from .drivers.session import Session
from .errors import LocalError, ProbeError, forget_frames
from .status.perfdata import Metric
from .status.result import Result
from .status.state import State
from .status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from typing import TypeVar

    from .contract import Probe as Probe
    from .dialogue.operations import Dialogue
    from .drivers.perform import Performers
    from .drivers.poll import WaitUntil

    P = TypeVar("P", bound=Probe)
    K = TypeVar("K")

# Descriptors that a survey leaves to its caller.
_SPARE_DESCRIPTORS = 64


def check(probe: Probe, *, transcript: bool = False) -> Result:
    """Runs one probe to its result, blocking; a sick peer is a result, an exception is a defect of the probe."""
    from .drivers import poll

    session = Session(probe.dialogue(), probe.timeout, transcript=transcript)
    poll.run(session)
    return _conclude(probe, session)


async def check_async(probe: Probe, *, transcript: bool = False) -> Result:
    """Runs one probe on the running asyncio loop."""
    from .drivers import aio

    session = Session(probe.dialogue(), probe.timeout, transcript=transcript)
    await aio.run(session)
    return _conclude(probe, session)


def survey(probes: Iterable[P], *, concurrency: int = 1000, over: float = 0.0) -> Iterator[tuple[P, Result]]:
    """Runs many probes in this thread and yields (probe, result) as they finish.

    At most concurrency run at once, fewer when the process may not open as many descriptors. With over, their starts
    are spread evenly over that many seconds, which keeps the reported times free of our own queue. Probes are taken
    from the iterable as they are started (all at once with over). A defective probe yields UNKNOWN. ValueError for a
    concurrency below 1 or a negative over.
    """
    source, interval = _plan(probes, concurrency, over)

    from .drivers.poll import WaitUntil

    def schedule() -> Iterator[tuple[P, Probe] | WaitUntil]:
        due = monotonic()
        for probe in source:
            if interval:
                yield WaitUntil(due)
                due += interval
            yield probe, probe

    return survey_schedule(schedule(), concurrency=concurrency)


def survey_schedule(
    schedule: Iterable[tuple[K, Probe] | WaitUntil], *, concurrency: int = 1000
) -> Iterator[tuple[K, Result]]:
    """Runs (key, probe) pairs as survey() does and yields (key, result); the schedule may be endless.

    What the schedule raises ends the survey, and reaches the caller.
    """
    from .drivers import poll

    running: dict[Session, tuple[K, Probe]] = {}

    def sessions() -> Iterator[Session | poll.WaitUntil]:
        for item in schedule:
            if isinstance(item, poll.WaitUntil):
                yield item
                continue
            session = start(item[1])
            running[session] = item
            yield session

    for session in poll.run_many(sessions(), _bounded(concurrency)):
        key, probe = running.pop(session)
        yield key, finish_or_unknown(probe, session)


async def survey_async(
    probes: Iterable[P], *, concurrency: int = 1000, over: float = 0.0
) -> AsyncIterator[tuple[P, Result]]:
    """Runs many probes on the running asyncio loop; the twin of survey()."""
    import asyncio

    from .drivers.aio import AsyncLoop

    source, interval = _plan(probes, concurrency, over)
    loop = AsyncLoop()
    room = asyncio.Semaphore(_bounded(concurrency))
    running: dict[Session, P] = {}
    # None, once, when nothing more is to be started.
    finished: asyncio.Queue[Session | None] = asyncio.Queue()

    def end(session: Session) -> None:
        room.release()
        finished.put_nowait(session)

    async def start_all() -> None:
        due = monotonic()
        for probe in source:
            await room.acquire()
            await asyncio.sleep(max(0.0, due - monotonic()))
            due += interval
            session = start(probe)
            running[session] = probe
            loop.start(session, end)

    starter = asyncio.create_task(start_all())
    starter.add_done_callback(lambda _: finished.put_nowait(None))
    try:
        while running or not starter.done():
            session = await finished.get()
            if session is None:
                # Raises what the caller's iterable has raised, which ends the survey.
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


def _bounded(concurrency: int) -> int:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return concurrency if soft == resource.RLIM_INFINITY else max(1, min(concurrency, soft - _SPARE_DESCRIPTORS))


def start(probe: Probe, *, transcript: bool = False, perform: Performers = PERFORM) -> Session:
    """Returns the session of a probe, for a loop of the caller's own; that of a defective one fails.

    perform may have other performers of its operations than the drivers'.
    """
    try:
        return Session(probe.dialogue(), probe.timeout, transcript=transcript, perform=perform)
    except Exception as defect:
        return Session(_fail(defect), 0)


def _fail(defect: Exception) -> Dialogue[None]:
    raise defect
    yield


def _conclude(probe: Probe, session: Session) -> Result:
    failure = session.failure
    if failure is None:
        result = probe.judge(session.value, session.timings)
    elif isinstance(failure, ProbeError):
        result = _failed(probe, failure, session)
    else:
        raise failure
    if result.failure is not None:
        # Its traceback leads through the frames of the dialogue back to it: a cycle, with all that they hold.
        forget_frames(result.failure)
    if session.transcript is None:
        return result.replace(transcript=()) if result.transcript else result
    # What a judgement has to add is about the end of the dialogue.
    return result.replace(transcript=(*session.transcript.lines(), *result.transcript))


def finish_or_unknown(probe: Probe, session: Session) -> Result:
    """Returns the result of a session that has ended, UNKNOWN when it is the probe that is defective."""
    try:
        return _conclude(probe, session)
    except Exception as defect:
        # One defective probe must not take the results of all others with it.
        forget_frames(defect)
        text = f"{_name(probe)} UNKNOWN - internal error: {type(defect).__name__}: {printable(str(defect))}"
        # No peer is to blame for it.
        return Result(State.UNKNOWN, text, failure=LocalError(text))


def _failed(probe: Probe, failure: ProbeError, session: Session) -> Result:
    text = f"{_name(probe)} {failure.state} - {printable(failure.message)}"
    time = Metric("time", session.timings.total, "s", minimum=0.0)
    return Result(failure.state, text, metrics=(time,), timings=session.timings, failure=failure)


def _name(probe: Probe) -> str:
    return type(probe).__name__.removesuffix("Probe").upper()
