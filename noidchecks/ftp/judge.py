"""The judgement of an FTP check, in the words of the C plugin."""

from __future__ import annotations

from errno import ECONNREFUSED

from ..errors import NotConnected, NotResolved
from ..judging import failed, time_metrics, time_part, time_state
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from .findings import facts_of, peer, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..status.perfdata import Metric
    from ..timings import Timings
    from .findings import FtpFindings
    from .settings import FtpSettings


_MATCH = Part(State.OK, "The answer of the server matched the expectation")


def judge(settings: FtpSettings, findings: FtpFindings, timings: Timings) -> Result:
    """Judges the findings; the worse of certificate and service decides the state."""
    # The operator's delay and this program's own waits are not part of the server's response time.
    seconds = max(0.0, timings.total - timings.phases.get("delay", 0.0) - findings.waited)
    if findings.deep is not None:
        from .verdict import judge_deep

        result = judge_deep(settings, findings, findings.deep, seconds, timings)
    elif findings.failure is None and findings.received:
        result = _judge_answer(settings, findings, seconds, timings)
    else:
        result = _judge_failure(settings, findings, seconds, timings)
    if findings.tls is None or settings.certificate_days is None:
        return result
    from ..dialogue.certificate import judge_days

    certificate = judge_days(findings.tls.chain, *settings.certificate_days)
    return _with_certificate(certificate, result, deep=findings.deep is not None)


def _judge_answer(settings: FtpSettings, findings: FtpFindings, seconds: float, timings: Timings) -> Result:
    facts = facts_of(settings, findings)
    # Empty with --jail and, as in the C plugin, for an answer of blanks only.
    answer = facts.get("greeting", "")
    state = time_state(settings, seconds)
    metrics = time_metrics(settings, seconds, timings)
    if findings.matched:
        text = f"{seconds:.3f} second response time {place(settings)}"
        text += f" [{answer}]" if answer else ""
        match = _MATCH
    else:
        # As in the C plugin, a CRITICAL response time takes precedence over the mismatch, a WARNING one does not.
        state = State.CRITICAL if state == State.CRITICAL else settings.mismatch_state
        text = f"Unexpected response from host/socket{f': {answer}' if answer else f' {place(settings)}'}"
        match = Part(settings.mismatch_state, f"Answer failed to match expectation{f': {answer}' if answer else ''}")
        metrics = (_without_thresholds(metrics[0]), *metrics[1:])
    return Result(
        state,
        f"FTP {state} - {text}",
        parts=(Part(State.OK, f"Connection to {peer(settings)} was a SUCCESS"), match, time_part(settings, seconds)),
        summary="Connection succeeded",
        metrics=metrics,
        facts=facts,
        timings=timings,
    )


def _judge_failure(settings: FtpSettings, findings: FtpFindings, seconds: float, timings: Timings) -> Result:
    failure = findings.failure
    state = None
    text = ""
    before = None
    if failure is None:
        failure = NotConnected("No data received from host", 0)
        failure.phase = "greeting"
        text, before = failure.message, ""
    elif isinstance(failure, NotConnected) and failure.code == ECONNREFUSED:
        state = settings.refuse_state
    elif isinstance(failure, NotResolved):
        text = f"Invalid hostname, address or socket: {printable(settings.host)}"
    facts = facts_of(settings, findings)
    return failed(
        "FTP", settings, failure, timings, state=state, text=text, before=before, seconds=seconds, facts=facts
    )


def _with_certificate(part: Part, service: Result, *, deep: bool) -> Result:
    state = worst((part.state, service.state))
    lines = [f"{part.state} - {part.text}", service.text]
    if deep and service.state != part.state and service.state == state:
        # Operators see mainly the first line: with a login, it is the one that decides the state. Without one, the
        # certificate comes first, as in the C plugin.
        lines.reverse()
    return service.replace(state=state, text="\n".join(lines), parts=(*service.parts, part))


def _without_thresholds(time: Metric) -> Metric:
    # The C plugin prints zeros for the thresholds of an answer that did not match.
    if time.warning is None and time.critical is None:
        return time
    from ..status.threshold import Range

    zero = Range(0.0, 0.0)
    return time.replace(warning=time.warning and zero, critical=time.critical and zero)
