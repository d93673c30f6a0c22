"""The judgement of an FTP check with a login."""

from __future__ import annotations

from ..errors import DeadlineExceeded, NotConnected
from ..files import judge as files
from ..judging import failure_state, opening, time_metrics, time_part
from ..status.perfdata import Metric
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from .findings import facts_of, peer, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .deep_findings import DeepFindings
    from .findings import FtpFindings
    from .settings import FtpSettings


def judge_deep(
    settings: FtpSettings, findings: FtpFindings, deep: DeepFindings, seconds: float, timings: Timings
) -> Result:
    """Judges the parts; the worst one decides the state, and the status line begins with it."""
    parts = [Part(State.OK, f"Connection to {peer(settings)} was a SUCCESS")]
    if deep.task != "login":
        parts.append(Part(State.OK, f"Login as {printable(deep.user)} succeeded"))
    failure = findings.failure
    failed = None if failure is None else _failure_part(settings, failure, deep)
    parts += [] if failed is None else [failed]
    told = parts[-1].text
    parts += (part for part in _attempt_parts(settings, deep) if part.text != told)
    if deep.refused:
        parts.append(Part(State.CRITICAL, printable(deep.refused)))
    parts += [Part(settings.foreign_pasv, f"data channel: {finding}") for finding in deep.connection.opening.foreign]
    parts += files.read_parts(settings, deep) + files.canary_parts(deep)
    time = time_part(settings, seconds)
    # The C plugin's text for a missed deadline comes first; its text for TLS is only for the control connection.
    late = failure if isinstance(failure, DeadlineExceeded) else None
    text = files.wrong_text(parts, time, first=failed if late else None)
    if text is None:
        text = f"{seconds:.3f} second response time {place(settings)} [{_summary(settings, deep)}]"
    parts.append(time)
    state = worst(part.state for part in parts)
    return Result(
        state,
        opening("FTP", state, late) + printable(text),
        parts=tuple(parts),
        summary="Connection succeeded",
        metrics=time_metrics(settings, seconds, timings)
        + _way_metrics(deep)
        + files.metrics(settings, deep, deep.connection.moved, timings),
        facts=facts_of(settings, findings) | _facts(deep),
        timings=timings,
        failure=failure,
    )


def _failure_part(settings: FtpSettings, failure: ProbeError, deep: DeepFindings) -> Part:
    message = failure.message
    if isinstance(failure, DeadlineExceeded):
        # The text of the C plugin comes first.
        place = ": ".join(filter(None, (deep.task, deep.connection.opening.place))) or failure.phase
        return Part(failure_state(settings, failure), printable(f"{message} ({place})"))
    if isinstance(failure, NotConnected):
        message = f"connection lost: {message}"
    return Part(failure_state(settings, failure), printable(deep.explain(message)))


def _attempt_parts(settings: FtpSettings, deep: DeepFindings) -> list[Part]:
    parts = []
    works = any(not attempt.problem for attempt in deep.attempts)
    for attempt in deep.attempts:
        if not attempt.problem:
            parts.append(Part(State.OK, f"data channel: {attempt.method} works"))
        elif not attempt.proven:
            parts.append(Part(State.UNKNOWN, printable(attempt.problem)))
        elif attempt.offered or not _has_substitute(attempt.method, deep):
            parts.append(Part(State.CRITICAL, printable(attempt.problem)))
        else:
            parts.append(Part(State.OK, printable(attempt.problem)))
    if not settings.data and works:
        # Without --data, one working method is enough.
        parts = [Part(State.OK, part.text) for part in parts]
    return parts


def _has_substitute(method: str, deep: DeepFindings) -> bool:
    """Tells whether the other method of the same mode works; old servers know only PASV and PORT."""
    pair = ("EPSV", "PASV") if method in ("EPSV", "PASV") else ("PORT", "EPRT")
    return any(attempt.method in pair and not attempt.problem for attempt in deep.attempts)


def _way_metrics(deep: DeepFindings) -> tuple[Metric, ...]:
    """Returns one metric for each method that was tried: the number of data connections that it opened."""
    return tuple(Metric(method.lower(), count, minimum=0) for method, count in deep.connection.opened.items())


def _summary(settings: FtpSettings, deep: DeepFindings) -> str:
    words = [f"login {printable(deep.user)}"]
    working = [attempt.method for attempt in deep.attempts if not attempt.problem]
    if working and (settings.data or len(working) < len(deep.attempts)):
        words.append(f"data {' '.join(working)}")
    return ", ".join([*words, *files.read_words(settings, deep), *files.canary_words(deep)])


def _facts(deep: DeepFindings) -> dict[str, object]:
    facts: dict[str, object] = {"user": printable(deep.user)}
    if deep.attempts:
        facts["data"] = {attempt.method: printable(attempt.problem) or "ok" for attempt in deep.attempts}
    return facts | files.read_facts(deep) | files.canary_facts(deep)
