"""The judgement of what an FTP check found behind the login."""

from __future__ import annotations

from calendar import timegm

from ..errors import DeadlineExceeded, NotConnected
from ..files.judgement import count_part, file_parts, most_severe_first, throughput
from ..judgement import time_metrics, time_part
from ..status.perfdata import Metric
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from .judgement import facts_of, peer, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .deep import DeepFindings
    from .dialogue import FtpFindings
    from .probe import FtpProbe


def judge_deep(probe: FtpProbe, findings: FtpFindings, deep: DeepFindings, seconds: float, timings: Timings) -> Result:
    """Judges the parts; the worst decides the state, and the first line begins with it."""
    parts = [Part(State.OK, f"Connection to {peer(probe)} was a SUCCESS")]
    if deep.task != "login":
        parts.append(Part(State.OK, f"Login as {printable(deep.user)} succeeded"))
    if findings.failure is not None:
        parts.append(_failure_part(probe, findings.failure, deep))
    parts += _attempt_parts(probe, deep)
    parts += [Part(probe.foreign_pasv, f"data channel: {finding}") for finding in deep.courier.foreign]
    if deep.listed and probe.listing is not None and probe.listing.counts:
        parts.append(count_part(deep.entries, probe.listing.min_files, probe.listing.max_files, deep_folder(probe)))
    if deep.got and probe.get is not None and deep.content is not None:
        parts += file_parts(probe.get, deep.content, None if deep.modified is None else timegm(deep.modified))
    if deep.put:
        parts.append(Part(State.OK, "put: a canary was stored, read back and deleted"))
    if deep.leftover:
        parts.append(Part(State.WARNING, f"put: {printable(deep.leftover)} may be left on the server"))
    is_slow_alone = all(part.state == State.OK for part in parts)
    parts.append(time_part(probe, seconds))
    state = worst(part.state for part in parts)
    if not is_slow_alone:
        text = "; ".join(part.text for part in most_severe_first(parts))
    else:
        text = f"{seconds:.3f} second response time {place(probe)} [{_summary(probe, deep)}]"
    return Result(
        state,
        f"FTP {state} - {printable(text)}",
        parts=tuple(parts),
        summary="Connection succeeded",
        metrics=time_metrics(probe, seconds, timings) + _metrics(probe, deep, timings),
        facts=facts_of(probe, findings) | _facts(deep),
        timings=timings,
        failure=findings.failure,
    )


def deep_folder(probe: FtpProbe) -> str:
    """Returns the words for what is listed."""
    folder = probe.listing.folder if probe.listing is not None else ""
    return f"list {printable(folder)}" if folder else "list"


def _failure_part(probe: FtpProbe, failure: ProbeError, deep: DeepFindings) -> Part:
    message = failure.message
    if isinstance(failure, NotConnected):
        message = f"connection lost: {message}"
    state = probe.timeout_state if isinstance(failure, DeadlineExceeded) else failure.state
    return Part(state, printable(deep.explain(message)))


def _attempt_parts(probe: FtpProbe, deep: DeepFindings) -> list[Part]:
    parts = []
    works = any(not attempt.problem for attempt in deep.attempts)
    for attempt in deep.attempts:
        if not attempt.problem:
            parts.append(Part(State.OK, f"data channel: {attempt.method} works"))
        elif attempt.offered or not _has_substitute(attempt.method, deep):
            parts.append(Part(State.CRITICAL, printable(attempt.problem)))
        else:
            parts.append(Part(State.OK, printable(attempt.problem)))
    if deep.attempts and not probe.data and works:
        # Any way will do when none was asked for in particular.
        parts = [Part(State.OK, part.text) for part in parts]
    return parts


def _has_substitute(method: str, deep: DeepFindings) -> bool:
    """Tells whether the other way of the same direction works; old servers know only PASV and PORT."""
    pair = ("EPSV", "PASV") if method in ("EPSV", "PASV") else ("PORT", "EPRT")
    return any(attempt.method in pair and not attempt.problem for attempt in deep.attempts)


def _summary(probe: FtpProbe, deep: DeepFindings) -> str:
    words = [f"login {printable(deep.user)}"]
    working = [attempt.method for attempt in deep.attempts if not attempt.problem]
    if probe.data and working:
        words.append(f"data {' '.join(working)}")
    if probe.listing is not None and deep.listed:
        words.append(deep_folder(probe) + (f" {deep.entries} files" if probe.listing.counts else ""))
    if probe.get is not None and deep.content is not None:
        words.append(f"get {printable(probe.get.name)} {deep.content.size} bytes")
    if deep.put:
        words.append("put")
    return ", ".join(words)


def _metrics(probe: FtpProbe, deep: DeepFindings, timings: Timings) -> tuple[Metric, ...]:
    metrics = []
    if deep.listed and probe.listing is not None and probe.listing.counts:
        metrics.append(Metric("files", deep.entries, minimum=0))
    if deep.got and probe.get is not None and deep.content is not None:
        metrics.append(Metric("size", deep.content.size, "B", critical=probe.get.size, minimum=0))
    return (*metrics, *throughput(deep.courier.moved, timings))


def _facts(deep: DeepFindings) -> dict[str, object]:
    facts: dict[str, object] = {"user": printable(deep.user)}
    if deep.attempts:
        facts["data"] = {attempt.method: printable(attempt.problem) or "ok" for attempt in deep.attempts}
    if deep.listed:
        facts["entries"] = deep.entries
    if deep.got and deep.content is not None:
        facts["size"] = deep.content.size
        if deep.content.sha256:
            facts["sha256"] = deep.content.sha256
    if deep.leftover:
        facts["leftover"] = printable(deep.leftover)
    return facts
