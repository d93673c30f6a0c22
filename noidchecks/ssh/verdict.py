"""The judgement of what an SSH check found behind the login."""

from __future__ import annotations

from time import gmtime, strftime

from ..errors import DeadlineExceeded
from ..files.judgement import count_part, file_parts, most_severe_first, throughput
from ..judgement import failure_text, time_metrics, time_part
from ..status.perfdata import Metric
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from .judgement import SEPARATOR, facts_of, findings_before_login, service, version_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..timings import Timings
    from .dialogue import SshFindings
    from .probe import SshProbe
    from .transfer import SftpFindings


def judge_deep(probe: SshProbe, findings: SshFindings, deep: SftpFindings, timings: Timings) -> Result:
    """Judges the parts; the worst decides the state, and the first line begins with it."""
    assert findings.identification is not None, "keys are exchanged only with a server that said what it is"  # noqa: S101
    _, _, before = findings_before_login(probe, findings, findings.identification)
    seconds = timings.total
    parts = [*before, *_parts(probe, findings, deep)]
    is_slow_alone = all(part.state == State.OK for part in parts)
    parts.append(time_part(probe, seconds))
    state = worst(part.state for part in parts)
    if is_slow_alone:
        text = f"{version_text(findings.identification)} [{_summary(probe, deep)}]"
        text += "" if state == State.OK else f", {seconds:.3f} second response time"
    else:
        text = "; ".join(part.text for part in most_severe_first(parts))
    return Result(
        state,
        f"{service(probe)} {state} - {printable(text)}",
        parts=tuple(parts),
        summary="SSH check was successful",
        metrics=time_metrics(probe, seconds, timings) + _metrics(probe, deep, timings),
        facts=facts_of(findings) | _facts(probe, deep),
        timings=timings,
        failure=findings.failure,
        separator=SEPARATOR,
        transcript=() if findings.kexinit is None else findings.kexinit.lines(),
    )


def _parts(probe: SshProbe, findings: SshFindings, deep: SftpFindings) -> list[Part]:
    parts = []
    if deep.method:
        parts.append(Part(State.OK, f"Login as {_user(probe)} with {deep.method} succeeded"))
    if findings.failure is not None:
        failure = findings.failure
        is_late = isinstance(failure, DeadlineExceeded)
        text = failure_text(probe, failure)
        if deep.task and not is_late:
            text = f"{printable(deep.task)}: {text}"
        parts.append(Part(probe.timeout_state if is_late else failure.state, text))
    if deep.listed and probe.listing is not None and probe.listing.counts:
        what = f"list {printable(probe.listing.folder)}" if probe.listing.folder else "list"
        parts.append(count_part(deep.entries, probe.listing.min_files, probe.listing.max_files, what))
    if deep.got and probe.get is not None and deep.content is not None:
        parts += file_parts(probe.get, deep.content, deep.modified)
    if deep.stamp is not None:
        parts.append(Part(State.OK, f"Timestamp of {printable(probe.timestamp)} is: {_date(deep.stamp)}"))
    if deep.put:
        parts.append(Part(State.OK, "put: a canary was stored, read back and deleted"))
    if deep.leftover:
        parts.append(Part(State.WARNING, f"put: {printable(deep.leftover)} may be left on the server"))
    return parts


def _user(probe: SshProbe) -> str:
    return printable(probe.login.user) if probe.login is not None else ""


def _date(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(seconds))


def _summary(probe: SshProbe, deep: SftpFindings) -> str:
    words = [f"login {_user(probe)}"]
    if probe.listing is not None and deep.listed:
        words.append(f"list {printable(probe.listing.folder)}".rstrip() + f" {deep.entries} files")
    if probe.get is not None and deep.content is not None:
        words.append(f"get {printable(probe.get.name)} {deep.content.size} bytes")
    if deep.stamp is not None:
        words.append(f"{printable(probe.timestamp)} of {_date(deep.stamp)}")
    if deep.put:
        words.append("put")
    return ", ".join(words)


def _metrics(probe: SshProbe, deep: SftpFindings, timings: Timings) -> tuple[Metric, ...]:
    metrics = []
    if deep.listed:
        metrics.append(Metric("files", deep.entries, minimum=0))
    if deep.got and probe.get is not None and deep.content is not None:
        metrics.append(Metric("size", deep.content.size, "B", critical=probe.get.size, minimum=0))
    return (*metrics, *throughput(deep.moved, timings))


def _facts(probe: SshProbe, deep: SftpFindings) -> dict[str, object]:
    facts: dict[str, object] = {
        "user": _user(probe),
        "method": deep.method,
        "host_key_checked": probe.pins_host_key,
    }
    if deep.listed:
        facts["entries"] = deep.entries
    if deep.got and deep.content is not None:
        facts["size"] = deep.content.size
        if deep.content.sha256:
            facts["sha256"] = deep.content.sha256
    if deep.stamp is not None:
        facts["timestamp"] = deep.stamp
    if deep.leftover:
        facts["leftover"] = printable(deep.leftover)
    return facts
