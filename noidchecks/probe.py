"""Runs one probe: check, check_async; start and finish_or_unknown are for loops that run many probes."""

from __future__ import annotations

from .drivers.perform import PERFORM
from .drivers.session import Session, run
from .errors import LocalError, ProbeError, forget_frames
from .status.perfdata import Metric
from .status.result import Result
from .status.state import State
from .status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .contract import Probe as Probe
    from .dialogue.operations import Dialogue
    from .drivers.running import Performers


def check(probe: Probe, *, transcript: bool = False) -> Result:
    """Runs one probe, blocking; a failing peer is a result, an exception is a defect of the probe."""
    session = Session(probe.dialogue(), probe.timeout, transcript=transcript)
    run(session)
    return _conclude(probe, session)


async def check_async(probe: Probe, *, transcript: bool = False) -> Result:
    """Runs one probe on the running asyncio loop."""
    from .drivers import aio

    session = Session(probe.dialogue(), probe.timeout, transcript=transcript)
    await aio.run(session)
    return _conclude(probe, session)


def start(probe: Probe, *, transcript: bool = False, perform: Performers = PERFORM) -> Session:
    """Returns the session of a probe for a loop of the caller; when creating the dialogue fails, the session fails.

    perform may replace the functions of drivers/ that perform the operations.
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
        # The frames of its traceback refer to the failure: a reference cycle that would keep their objects in memory.
        forget_frames(result.failure)
    if session.transcript is None:
        return result.replace(transcript=()) if result.transcript else result
    # The lines that a judgement adds are about the end of the dialogue.
    return result.replace(transcript=(*session.transcript.lines(), *result.transcript))


def finish_or_unknown(probe: Probe, session: Session) -> Result:
    """Returns the result of a session that has ended, UNKNOWN when the probe is defective."""
    try:
        return _conclude(probe, session)
    except Exception as error:
        # A defective probe must not end the survey of all others.
        defect = error
    forget_frames(defect)
    text = f"{_name(probe)} UNKNOWN - internal error: {type(defect).__name__}: {printable(str(defect))}"
    # LocalError, because the peer did not cause the failure.
    return Result(State.UNKNOWN, text, failure=LocalError(text))


def _failed(probe: Probe, failure: ProbeError, session: Session) -> Result:
    text = f"{_name(probe)} {failure.state} - {printable(failure.message)}"
    time = Metric("time", session.timings.total, "s", minimum=0.0)
    return Result(failure.state, text, metrics=(time,), timings=session.timings, failure=failure)


def _name(probe: Probe) -> str:
    return type(probe).__name__.removesuffix("Probe").upper()
