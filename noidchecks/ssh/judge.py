"""The judgement of an SSH check, in the words of the C plugin where it reports the same."""

from __future__ import annotations

from ..errors import NotConnected, NotResolved, PeerError
from ..judging import failed, time_metrics, time_part, time_state
from ..status.result import Part, Result
from ..status.state import State
from ..status.text import printable
from .facts import SEPARATOR, facts_of, findings_before_login, service, version_text
from .wire import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .findings import SshFindings
    from .settings import SshSettings
    from .wire import Identification


def judge(settings: SshSettings, findings: SshFindings, timings: Timings) -> Result:
    """Judges the findings of the dialogue."""
    if findings.failure is not None:
        settings.gate.conceal(findings.failure)
    if findings.deep is not None:
        from .verdict import judge_deep

        return judge_deep(settings, findings, findings.deep, timings)
    if findings.failure is not None:
        return _judge_failure(settings, findings, findings.failure, timings)
    if findings.identification is None:
        return _judge_refusal(settings, findings, timings)
    return _judge_identification(settings, findings, findings.identification, timings)


def _judge_identification(
    settings: SshSettings, findings: SshFindings, found: Identification, timings: Timings
) -> Result:
    mismatch, wrong, judged = findings_before_login(settings, findings, found)
    trouble = mismatch or wrong
    seconds = timings.total
    state = State.CRITICAL if trouble else time_state(settings, seconds)
    text = version_text(settings, found)
    if trouble:
        text += f" {trouble}"
    elif state != State.OK:
        text += f", {seconds:.3f} second response time"
    return Result(
        state,
        f"{service(settings)} {state} - {text}",
        parts=(*judged, time_part(settings, seconds)),
        summary="SSH check was successful",
        metrics=time_metrics(settings, seconds, timings),
        facts=facts_of(settings, findings),
        timings=timings,
        separator=SEPARATOR,
        transcript=() if findings.kexinit is None else findings.kexinit.lines(settings.gate.words),
    )


def _judge_refusal(settings: SshSettings, findings: SshFindings, timings: Timings) -> Result:
    text = f"Server is {findings.refusal}: {settings.gate.words(findings.lines[-1])}"
    refused = PeerError(text, expected="identification string", received=findings.lines[-1])
    refused.phase = "greeting"
    return _failed(settings, findings, refused, timings, state=settings.overload_state)


def _judge_failure(settings: SshSettings, findings: SshFindings, failure: ProbeError, timings: Timings) -> Result:
    if isinstance(failure, NotResolved):
        text = f"Invalid hostname/address - {printable(settings.host)}"
        part = Part(State.UNKNOWN, f"{text} ({printable(failure.message)})")
        result = _failed(settings, findings, failure, timings, state=State.UNKNOWN, text=text).replace(parts=(part,))
        if service(settings) == "SFTP":
            return result
        # Not a status line: the text and the state of a usage error, because the C plugin reports one.
        return result.replace(text=f"check_ssh: {text}", metrics=())
    if isinstance(failure, NotConnected) and failure.phase == "greeting":
        # The C plugin treats a reset as a close; only the part reports the difference.
        result = _failed(settings, findings, failure, timings, text=MISSING)
        return result.replace(parts=(Part(result.state, f"{MISSING}: {failure.message}"),))
    if isinstance(failure, PeerError) and failure.message == MISSING and failure.received:
        result = _failed(settings, findings, failure, timings)
        return result.replace(parts=(Part(result.state, f"{MISSING}: {settings.gate.words(failure.received)}"),))
    return _failed(settings, findings, failure, timings)


def _failed(
    settings: SshSettings,
    findings: SshFindings,
    failure: ProbeError,
    timings: Timings,
    *,
    state: State | None = None,
    text: str = "",
) -> Result:
    return failed(
        service(settings),
        settings,
        failure,
        timings,
        state=state,
        text=text,
        facts=facts_of(settings, findings),
        separator=SEPARATOR,
    )
