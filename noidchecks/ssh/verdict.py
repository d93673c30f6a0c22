"""The judgement of what an SSH check found behind the login."""

from __future__ import annotations

from time import gmtime, strftime

from ..errors import DeadlineExceeded
from ..files import judge as files
from ..judging import failure_state, failure_text, opening, time_metrics, time_part
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from .judge import SEPARATOR, facts_of, findings_before_login, service, version_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .dialogue import SshFindings
    from .probe import SshProbe
    from .transfer import SftpFindings


def judge_deep(probe: SshProbe, findings: SshFindings, deep: SftpFindings, timings: Timings) -> Result:
    """Judges the parts; the worst decides the state, and the first line begins with it."""
    assert findings.identification is not None, "keys are exchanged only with a server that said what it is"  # noqa: S101
    _, _, before = findings_before_login(probe, findings, findings.identification)
    seconds = timings.total
    failed = _failure_part(probe, findings.failure, deep)
    parts = [*before, *_parts(probe, deep, failed)]
    time = time_part(probe, seconds)
    late = findings.failure if isinstance(findings.failure, DeadlineExceeded) else None
    text = files.wrong_text(parts, time, first=failed if late else None)
    if text is None:
        text = f"{version_text(probe, findings.identification)} [{_summary(probe, deep)}]"
        text += "" if time.state == State.OK else f", {seconds:.3f} second response time"
    parts.append(time)
    state = worst(part.state for part in parts)
    return Result(
        state,
        opening(service(probe), state, late) + printable(text),
        parts=tuple(parts),
        summary="SSH check was successful",
        metrics=time_metrics(probe, seconds, timings) + files.metrics(probe, deep, deep.moved, timings),
        facts=facts_of(probe, findings) | _facts(probe, deep),
        timings=timings,
        failure=findings.failure,
        separator=SEPARATOR,
        transcript=() if findings.kexinit is None else findings.kexinit.lines(probe.gate.words),
    )


def _failure_part(probe: SshProbe, failure: ProbeError | None, deep: SftpFindings) -> Part | None:
    if failure is None:
        return None
    text = failure_text(probe, failure)
    if deep.task and not isinstance(failure, DeadlineExceeded):
        text = f"{printable(deep.task)}: {text}"
    return Part(failure_state(probe, failure), text)


def _parts(probe: SshProbe, deep: SftpFindings, failed: Part | None) -> list[Part]:
    parts = []
    if deep.method:
        parts.append(Part(State.OK, f"Login as {_user(probe)} with {deep.method} succeeded"))
    parts += [] if failed is None else [failed]
    parts += files.read_parts(probe, deep)
    if deep.stamp is not None:
        parts.append(Part(State.OK, f"Timestamp of {printable(probe.timestamp)} is: {_date(deep.stamp)}"))
    return parts + files.canary_parts(deep)


def _user(probe: SshProbe) -> str:
    return printable(probe.login.user) if probe.login is not None else ""


def _date(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(seconds))


def _summary(probe: SshProbe, deep: SftpFindings) -> str:
    words = [f"login {_user(probe)}", *files.read_words(probe, deep)]
    if deep.stamp is not None:
        words.append(f"{printable(probe.timestamp)} of {_date(deep.stamp)}")
    return ", ".join([*words, *files.canary_words(deep)])


def _facts(probe: SshProbe, deep: SftpFindings) -> dict[str, object]:
    facts: dict[str, object] = {
        "user": _user(probe),
        "method": deep.method,
        "host_key_checked": probe.pins_host_key,
    } | files.read_facts(deep)
    if deep.stamp is not None:
        facts["timestamp"] = deep.stamp
    return facts | files.canary_facts(deep)
