"""The judgement of an SSH check with a login."""

from __future__ import annotations

from time import gmtime, strftime

from ..errors import DeadlineExceeded
from ..files import judge as files
from ..judging import failure_state, failure_text, opening, time_metrics, time_part
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from .facts import SEPARATOR, facts_of, findings_before_login, service, version_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .findings import SshFindings
    from .settings import SshSettings
    from .transfer import SftpFindings


def judge_deep(settings: SshSettings, findings: SshFindings, deep: SftpFindings, timings: Timings) -> Result:
    """Judges the parts; the worst one decides the state, and the status line begins with it."""
    assert findings.identification is not None, "keys are exchanged only with a server that said what it is"  # noqa: S101
    _, _, before = findings_before_login(settings, findings, findings.identification)
    seconds = timings.total
    failed = _failure_part(settings, findings.failure, deep)
    parts = [*before, *_parts(settings, deep, failed)]
    time = time_part(settings, seconds)
    late = findings.failure if isinstance(findings.failure, DeadlineExceeded) else None
    text = files.wrong_text(parts, time, first=failed if late else None)
    if text is None:
        text = f"{version_text(settings, findings.identification)} [{_summary(settings, deep)}]"
        text += "" if time.state == State.OK else f", {seconds:.3f} second response time"
    parts.append(time)
    state = worst(part.state for part in parts)
    return Result(
        state,
        opening(service(settings), state, late) + printable(text),
        parts=tuple(parts),
        summary="SSH check was successful",
        metrics=time_metrics(settings, seconds, timings) + files.metrics(settings, deep, deep.moved, timings),
        facts=facts_of(settings, findings) | _facts(settings, deep),
        timings=timings,
        failure=findings.failure,
        separator=SEPARATOR,
        transcript=() if findings.kexinit is None else findings.kexinit.lines(settings.gate.words),
    )


def _failure_part(settings: SshSettings, failure: ProbeError | None, deep: SftpFindings) -> Part | None:
    if failure is None:
        return None
    text = failure_text(settings, failure)
    if deep.task and not isinstance(failure, DeadlineExceeded):
        text = f"{printable(deep.task)}: {text}"
    return Part(failure_state(settings, failure), text)


def _parts(settings: SshSettings, deep: SftpFindings, failed: Part | None) -> list[Part]:
    parts = []
    if deep.method:
        parts.append(Part(State.OK, f"Login as {_user(settings)} with {deep.method} succeeded"))
    parts += [] if failed is None else [failed]
    parts += files.read_parts(settings, deep)
    if deep.stamp is not None:
        parts.append(Part(State.OK, f"Timestamp of {printable(settings.timestamp)} is: {_date(deep.stamp)}"))
    return parts + files.canary_parts(deep)


def _user(settings: SshSettings) -> str:
    return printable(settings.login.user) if settings.login is not None else ""


def _date(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(seconds))


def _summary(settings: SshSettings, deep: SftpFindings) -> str:
    words = [f"login {_user(settings)}", *files.read_words(settings, deep)]
    if deep.stamp is not None:
        words.append(f"{printable(settings.timestamp)} of {_date(deep.stamp)}")
    return ", ".join([*words, *files.canary_words(deep)])


def _facts(settings: SshSettings, deep: SftpFindings) -> dict[str, object]:
    facts: dict[str, object] = {
        "user": _user(settings),
        "method": deep.method,
        "host_key_checked": settings.pins_host_key,
    } | files.read_facts(deep)
    if deep.stamp is not None:
        facts["timestamp"] = deep.stamp
    return facts | files.canary_facts(deep)
