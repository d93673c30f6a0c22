"""The judgement of an FTP check, in the words of the C plugin."""

from __future__ import annotations

from errno import ECONNREFUSED

from ..errors import NotConnected, NotResolved
from ..judging import failed, time_metrics, time_part, time_state
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from ..status.threshold import Range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..status.perfdata import Metric
    from ..timings import Timings
    from .dialogue import FtpFindings
    from .probe import FtpProbe

_ZERO = Range(0.0, 0.0)


def judge(probe: FtpProbe, findings: FtpFindings, timings: Timings) -> Result:
    """Judges what the conversation found; the worse of certificate and service decides the state."""
    # The wait that the operator asked for is not the server's.
    seconds = timings.total - timings.phases.get("delay", 0.0)
    if findings.deep is not None:
        from .verdict import judge_deep

        result = judge_deep(probe, findings, findings.deep, seconds, timings)
    elif findings.failure is None and findings.received:
        result = _judge_answer(probe, findings, seconds, timings)
    else:
        result = _judge_failure(probe, findings, seconds, timings)
    if findings.tls is None or probe.certificate_days is None:
        return result
    from ..dialogue.certificate import judge_days

    certificate = judge_days(findings.tls.chain, *probe.certificate_days)
    return _with_certificate(certificate, result, deep=findings.deep is not None)


def _judge_answer(probe: FtpProbe, findings: FtpFindings, seconds: float, timings: Timings) -> Result:
    # As by the C plugin, of blanks alone nothing is shown.
    is_shown = not probe.jail and bool(findings.received.rstrip())
    answer = probe.gate.words(findings.received.rstrip()) if is_shown else ""
    state = time_state(probe, seconds)
    metrics = time_metrics(probe, seconds, timings)
    if findings.matched:
        text = f"{seconds:.3f} second response time {place(probe)}"
        text += f" [{answer}]" if is_shown else ""
        match = Part(State.OK, "The answer of the server matched the expectation")
    else:
        # A latency CRITICAL stands, a latency WARNING gives way: the C plugin's order.
        state = State.CRITICAL if state == State.CRITICAL else probe.mismatch_state
        text = f"Unexpected response from host/socket{f': {answer}' if is_shown else f' {place(probe)}'}"
        match = Part(probe.mismatch_state, f"Answer failed to match expectation{f': {answer}' if is_shown else ''}")
        metrics = (_without_thresholds(metrics[0]), *metrics[1:])
    return Result(
        state,
        f"FTP {state} - {text}",
        parts=(Part(State.OK, f"Connection to {peer(probe)} was a SUCCESS"), match, time_part(probe, seconds)),
        summary="Connection succeeded",
        metrics=metrics,
        facts=facts_of(probe, findings),
        timings=timings,
    )


def _judge_failure(probe: FtpProbe, findings: FtpFindings, seconds: float, timings: Timings) -> Result:
    failure = findings.failure
    state = None
    text = ""
    before = None
    if failure is None:
        failure = NotConnected("No data received from host", 0)
        failure.phase = "greeting"
        text, before = failure.message, ""
    elif isinstance(failure, NotConnected) and failure.code == ECONNREFUSED:
        state = probe.refuse_state
    elif isinstance(failure, NotResolved):
        text = f"Invalid hostname, address or socket: {printable(probe.host)}"
    facts = facts_of(probe, findings)
    return failed("FTP", probe, failure, timings, state=state, text=text, before=before, seconds=seconds, facts=facts)


def _with_certificate(part: Part, service: Result, *, deep: bool) -> Result:
    state = worst((part.state, service.state))
    lines = [f"{part.state} - {part.text}", service.text]
    if deep and service.state != part.state and service.state == state:
        # The first line is what the operator sees: behind a login it names what decides. Without one the certificate
        # stands first, as with the C plugin.
        lines.reverse()
    return service.replace(state=state, text="\n".join(lines), parts=(*service.parts, part))


def _without_thresholds(time: Metric) -> Metric:
    # The C plugin prints zeros for the thresholds of an answer that did not match.
    return time.replace(warning=time.warning and _ZERO, critical=time.critical and _ZERO)


def peer(probe: FtpProbe) -> str:
    """Returns what the probe connects to, for the long texts."""
    host = printable(probe.host)
    return host if host.startswith("/") else f"{host} on port {probe.port}"


def place(probe: FtpProbe) -> str:
    """Returns where the probe connects to, for the status line."""
    if probe.host.startswith("/"):
        return f"on socket {printable(probe.host)}"
    return f"on {printable(probe.host)} port {probe.port}" if probe.show_host else f"on port {probe.port}"


def facts_of(probe: FtpProbe, findings: FtpFindings) -> dict[str, object]:
    """Returns what was seen of the server before the login."""
    facts: dict[str, object] = {}
    if findings.address is not None:
        facts["address"] = str(findings.address)
    if findings.received and not probe.jail:
        facts["greeting"] = probe.gate.words(findings.received.rstrip())
    if findings.reply is not None:
        facts["reply_code"] = findings.reply.code
    if findings.tls is not None:
        facts["tls_version"] = findings.tls.version
        facts["tls_cipher"] = findings.tls.cipher
        facts["certificate_subject"] = printable(findings.tls.chain[0].subject, 200)
        facts["certificate_expires"] = findings.tls.chain[0].not_after.isoformat()
        facts["chain_expires"] = min(certificate.not_after for certificate in findings.tls.chain).isoformat()
    return facts
