"""Functions that all judgements share: time thresholds, timing metrics, expectations, the texts of failures."""

from __future__ import annotations

from .errors import NO_TLS, DeadlineExceeded, NotConnected, TlsError
from .status.perfdata import Metric
from .status.result import Part, Result
from .status.state import State
from .status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import ProbeError
    from .server import Server
    from .status.threshold import Range
    from .timings import Timings

# The services for which a C plugin exists.
_DROP_INS = ("FTP", "SSH")


def time_state(settings: Server, seconds: float) -> State:
    """Judges a response time; critical is tested first."""
    if settings.critical is not None and settings.critical.alerts(seconds):
        return State.CRITICAL
    if settings.warning is not None and settings.warning.alerts(seconds):
        return State.WARNING
    return State.OK


def time_part(settings: Server, seconds: float) -> Part:
    """Returns the judgement of a response time with its sentence."""
    state = time_state(settings, seconds)
    if state == State.OK:
        return Part(state, f"Connection time {seconds:.6f}s is within thresholds")
    limit = settings.critical if state == State.CRITICAL else settings.warning
    return Part(state, f"Connection time {seconds:.6f}s exceeded {state.name.lower()} threshold ({limit})")


def time_metrics(settings: Server, seconds: float, timings: Timings) -> tuple[Metric, ...]:
    """Returns the time metric, as the C plugins print it, and with show_phases one for each phase."""
    time = Metric(
        "time",
        seconds,
        "s",
        warning=settings.warning,
        critical=settings.critical,
        minimum=0.0,
        maximum=float(settings.timeout),
    )
    return (time, *_phase_metrics(settings, timings))


def _phase_metrics(settings: Server, timings: Timings) -> tuple[Metric, ...]:
    """Returns one metric for each phase that was entered, none without show_phases; resolve is labelled dns."""
    if not settings.show_phases:
        return ()
    return tuple(
        Metric("dns" if name == "resolve" else name, seconds, "s", minimum=0.0)
        for name, seconds in timings.phases.items()
    )


def expectation_part(what: str, expected: str, received: str, is_right: bool) -> Part:
    """Returns the judgement of one received value against the expected one."""
    if is_right:
        return Part(State.OK, f"{what} is {received}, as expected")
    return Part(State.CRITICAL, f"{what}: expected {expected}, received {received}")


def size_words(size: Range) -> str:
    """Returns the text for the allowed sizes of a file, in bytes."""
    return f"{size.start:.0f} bytes" if size.start == size.end and not size.inside else f"{size} bytes"


def failure_state(settings: Server, failure: ProbeError) -> State:
    """Returns the state for a failure."""
    return settings.timeout_state if isinstance(failure, DeadlineExceeded) else failure.state


def failure_text(settings: Server, failure: ProbeError) -> str:
    """Returns the sentence for a failure, in the words of the C plugins where these report it."""
    if isinstance(failure, DeadlineExceeded):
        return f"{failure.message} ({failure.phase})" if failure.phase else failure.message
    if isinstance(failure, NotConnected) and failure.phase == "connect":
        if settings.host.startswith("/"):
            return f"connect to file socket {printable(settings.host)}: {failure.message}"
        return f"connect to address {printable(settings.host)} and port {settings.port}: {failure.message}"
    if isinstance(failure, NotConnected):
        return f"connection lost ({failure.phase}): {failure.message}"
    return printable(failure.message)


def opening(service: str, state: State, failure: ProbeError | None) -> str:
    """Returns the beginning of the status line, before the sentence for a failure: `SERVICE STATE - `.

    The C plugins of FTP and SSH omit the service when the deadline passes or the TLS handshake fails, and the state too
    when they cannot connect.
    """
    if service in _DROP_INS:
        if isinstance(failure, NotConnected) and failure.phase == "connect":
            return ""
        if isinstance(failure, DeadlineExceeded) or (
            isinstance(failure, TlsError) and failure.message.startswith(NO_TLS)
        ):
            return f"{state} - "
    return f"{service} {state} - "


def failed(
    service: str,
    settings: Server,
    failure: ProbeError,
    timings: Timings,
    *,
    state: State | None = None,
    text: str = "",
    before: str | None = None,
    seconds: float | None = None,
    metrics: tuple[Metric, ...] = (),
    facts: dict[str, object] | None = None,
    separator: str = "|",
) -> Result:
    """Returns the result of a dialogue that failed, with its metrics.

    state, text and before, which precedes the text on the status line, have defaults that depend on the failure.
    """
    if state is None:
        state = failure_state(settings, failure)
    text = text or failure_text(settings, failure)
    spent = timings.total if seconds is None else seconds
    return Result(
        state,
        (opening(service, state, failure) if before is None else before) + text,
        parts=(Part(state, text),),
        metrics=time_metrics(settings, spent, timings) + metrics,
        facts=facts,
        timings=timings,
        failure=failure,
        separator=separator,
    )
