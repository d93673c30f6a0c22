"""The judgement of listings, files and canaries."""

from __future__ import annotations

from time import time

from ..judging import expectation_part, size_words
from ..status.perfdata import Metric
from ..status.result import Part
from ..status.state import State
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from ..timings import Timings
    from .content import Content
    from .findings import FileFindings
    from .settings import File, Listing

    class Asked(Protocol):
        """The settings of a probe that lists or gets."""

        @property
        def listing(self) -> Listing | None: ...
        @property
        def get(self) -> File | None: ...


_SEVERITY = (State.CRITICAL, State.WARNING, State.UNKNOWN, State.OK)


def wrong_text(parts: Sequence[Part], time: Part, *, first: Part | None = None) -> str | None:
    """Returns the texts of the parts that are not OK, the time included; None when all other parts are OK.

    The most severe part comes first; first, if given, comes before all others, whatever its state.
    """
    if first is None and all(part.state == State.OK for part in parts):
        return None
    wrong = (part for part in (*parts, time) if part.state != State.OK or part is first)
    # Parts with the same state keep the order of the dialogue.
    ordered = sorted(wrong, key=lambda part: (part is not first, _SEVERITY.index(part.state)))
    return "; ".join(part.text for part in ordered)


def read_parts(asked: Asked, found: FileFindings) -> list[Part]:
    """Judges the listing and the file."""
    parts = []
    if asked.listing is not None and asked.listing.counts and found.listed:
        parts.append(_count_part(asked.listing, found.entries))
    if asked.get is not None and found.content is not None and found.got:
        parts += _file_parts(asked.get, found.content, found.modified)
    return parts


def canary_parts(found: FileFindings) -> list[Part]:
    """Judges the canary."""
    parts = []
    if found.put:
        parts.append(Part(State.OK, "put: a canary was stored, read back and deleted"))
    if found.leftover:
        parts.append(Part(State.WARNING, f"put: {printable(found.leftover)} may be left on the server"))
    return parts


def read_words(asked: Asked, found: FileFindings) -> list[str]:
    """Returns short descriptions of the listing and the file."""
    words = []
    if asked.listing is not None and found.listed:
        words.append(_listing_words(asked.listing) + (f" {found.entries} files" if found.counted else ""))
    if asked.get is not None and found.content is not None:
        words.append(f"get {printable(asked.get.name)} {found.content.size} bytes")
    return words


def canary_words(found: FileFindings) -> list[str]:
    """Returns a short description of a successful canary."""
    return ["put"] if found.put else []


def metrics(asked: Asked, found: FileFindings, moved: int, timings: Timings) -> tuple[Metric, ...]:
    """Returns the metrics of a transfer: number of listed files, size of the file read, bytes per second."""
    made = []
    if found.listed and found.counted:
        made.append(Metric("files", found.entries, minimum=0))
    if asked.get is not None and found.content is not None and found.got:
        made.append(Metric("size", found.content.size, "B", critical=asked.get.size, minimum=0))
    seconds = timings.phases.get("transfer", 0.0)
    if moved and seconds > 0:
        # Whole bytes per second in the unit B, because the guidelines have no unit for a rate.
        made.append(Metric("throughput", round(moved / seconds), "B", minimum=0))
    return tuple(made)


def read_facts(found: FileFindings) -> dict[str, object]:
    """Returns the facts about the listing and the file."""
    facts: dict[str, object] = {}
    if found.listed:
        facts["entries"] = found.entries
    if found.content is not None and found.got:
        facts["size"] = found.content.size
        if found.content.sha256:
            facts["sha256"] = found.content.sha256
    return facts


def canary_facts(found: FileFindings) -> dict[str, object]:
    """Returns the name of a canary that may still be on the server."""
    return {"leftover": printable(found.leftover)} if found.leftover else {}


def _listing_words(listing: Listing) -> str:
    return f"list {printable(listing.folder)}" if listing.folder else "list"


def _count_part(listing: Listing, count: int) -> Part:
    what = f"{_listing_words(listing)}: {count} files"
    if listing.min_files is not None and count < listing.min_files:
        return Part(State.CRITICAL, f"{what}, expected at least {listing.min_files}")
    if listing.max_files is not None and count > listing.max_files:
        return Part(State.CRITICAL, f"{what}, expected at most {listing.max_files}")
    return Part(State.OK, f"{what}, as expected")


def _file_parts(file: File, content: Content, modified: float | None) -> list[Part]:
    what = f"get {printable(file.name)}"
    parts = [Part(State.OK, f"{what}: {content.size} bytes received")]
    if file.size is not None:
        is_right = not file.size.alerts(content.size)
        parts.append(expectation_part(f"{what}: size", size_words(file.size), f"{content.size} bytes", is_right))
    if file.sha256:
        is_right = content.sha256 == file.sha256
        parts.append(expectation_part(f"{what}: SHA-256", file.sha256, content.sha256, is_right))
    if file.contains:
        state = State.OK if content.found else State.CRITICAL
        verb = "contains" if content.found else "does not contain"
        parts.append(Part(state, f"{what}: {verb} {printable(repr(file.contains)[1:], 100)}"))
    if file.max_age is not None and modified is not None:
        age = time() - modified
        limit = f"at most {file.max_age:.0f}s"
        parts.append(expectation_part(f"{what}: age", limit, f"{age:.0f}s", age <= file.max_age))
    return parts
