"""The judgement of what was listed and what was got."""

from __future__ import annotations

from time import time

from ..status.perfdata import Metric
from ..status.result import Part
from ..status.state import State
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..status.threshold import Range
    from ..timings import Timings
    from .content import Content
    from .settings import File


_SEVERITY = (State.CRITICAL, State.WARNING, State.UNKNOWN)


def most_severe_first(parts: Iterable[Part]) -> list[Part]:
    """Returns what is not OK, and within one state in the order of the conversation."""
    return sorted((part for part in parts if part.state != State.OK), key=lambda part: _SEVERITY.index(part.state))


def throughput(moved: int, timings: Timings) -> tuple[Metric, ...]:
    """Returns the metric of how fast so many bytes moved, none when nothing did."""
    seconds = timings.phases.get("transfer", 0.0)
    if not moved or seconds <= 0:
        return ()
    # Bytes in a second; the guidelines have no unit for that.
    return (Metric("throughput", moved / seconds, "B", minimum=0.0),)


def count_part(count: int, least: int | None, most: int | None, what: str) -> Part:
    if least is not None and count < least:
        return Part(State.CRITICAL, f"{what}: {count} files, expected at least {least}")
    if most is not None and count > most:
        return Part(State.CRITICAL, f"{what}: {count} files, expected at most {most}")
    return Part(State.OK, f"{what}: {count} files, as expected")


def file_parts(file: File, content: Content, modified: float | None) -> list[Part]:
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
    if file.max_age is not None and modified is not None:
        age = time() - modified
        parts.append(_part(what, "age", f"at most {file.max_age:.0f}s", f"{age:.0f}s", age <= file.max_age))
    return parts


def _part(what: str, aspect: str, expected: str, received: str, right: bool) -> Part:
    if right:
        return Part(State.OK, f"{what}: {aspect} is {received}, as expected")
    return Part(State.CRITICAL, f"{what}: {aspect}: expected {expected}, received {received}")


def _size_words(size: Range) -> str:
    return f"{size.start:.0f} bytes" if size.start == size.end and not size.inside else f"{size} bytes"
