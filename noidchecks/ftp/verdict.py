"""The judgement of what an FTP check found behind the login."""

from __future__ import annotations

from calendar import timegm
from time import time

from ..errors import DeadlineExceeded, NotConnected
from ..judgement import time_metrics, time_part
from ..status.perfdata import Metric
from ..status.result import Part, Result
from ..status.state import State, worst
from ..status.text import printable
from ..status.threshold import Range
from .judgement import facts_of, peer, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from ..timings import Timings
    from .content import Content
    from .deep import DeepFindings
    from .dialogue import FtpFindings
    from .probe import FtpProbe
    from .settings import File


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
        parts.append(_count_part(deep.entries, probe.listing.min_files, probe.listing.max_files, deep_folder(probe)))
    if deep.got and probe.get is not None and deep.content is not None:
        parts += _file_parts(probe.get, deep.content, deep)
    if deep.put:
        parts.append(Part(State.OK, "put: a canary was stored, read back and deleted"))
    if deep.leftover:
        parts.append(Part(State.WARNING, f"put: {printable(deep.leftover)} may be left on the server"))
    timed = time_part(probe, seconds)
    state = worst(part.state for part in (*parts, timed))
    # Most severe first; sorted() keeps the order of the conversation within one state.
    wrong = sorted((part for part in parts if part.state != State.OK), key=lambda part: _rank(part.state))
    if wrong:
        wrong += [timed] if timed.state != State.OK else []
        wrong.sort(key=lambda part: _rank(part.state))
        text = "; ".join(part.text for part in wrong)
    else:
        text = f"{seconds:.3f} second response time {place(probe)} [{_summary(probe, deep)}]"
    return Result(
        state,
        f"FTP {state} - {printable(text)}",
        parts=(*parts, timed),
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


def _rank(state: State) -> int:
    return (State.CRITICAL, State.WARNING, State.UNKNOWN, State.OK).index(state)


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


def _count_part(count: int, least: int | None, most: int | None, what: str) -> Part:
    if least is not None and count < least:
        return Part(State.CRITICAL, f"{what}: {count} files, expected at least {least}")
    if most is not None and count > most:
        return Part(State.CRITICAL, f"{what}: {count} files, expected at most {most}")
    return Part(State.OK, f"{what}: {count} files, as expected")


def _file_parts(file: File, content: Content, deep: DeepFindings) -> list[Part]:
    what = f"get {printable(file.name)}"
    parts = [Part(State.OK, f"{what}: {content.size} bytes received")]
    if file.size is not None:
        right = not file.size.alerts(content.size)
        parts.append(_part(what, "size", _size_words(file.size), f"{content.size} bytes", right))
    if file.sha256:
        parts.append(_part(what, "SHA-256", file.sha256, content.sha256, content.sha256 == file.sha256))
    if file.contains:
        state = State.OK if content.found else State.CRITICAL
        verb = "contains" if content.found else "does not contain"
        parts.append(Part(state, f"{what}: {verb} {printable(repr(file.contains)[1:], 100)}"))
    if file.max_age is not None and deep.modified is not None:
        age = time() - timegm(deep.modified)
        parts.append(_part(what, "age", f"at most {file.max_age:.0f}s", f"{age:.0f}s", age <= file.max_age))
    return parts


def _part(what: str, aspect: str, expected: str, received: str, right: bool) -> Part:
    if right:
        return Part(State.OK, f"{what}: {aspect} is {received}, as expected")
    return Part(State.CRITICAL, f"{what}: {aspect}: expected {expected}, received {received}")


def _size_words(size: Range) -> str:
    return f"{size.start:.0f} bytes" if size.start == size.end and not size.inside else f"{size} bytes"


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
    seconds = timings.phases.get("transfer", 0.0)
    if deep.courier.moved and seconds > 0:
        # Bytes in a second; the guidelines have no unit for that.
        metrics.append(Metric("throughput", deep.courier.moved / seconds, "B", minimum=0.0))
    return tuple(metrics)


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
