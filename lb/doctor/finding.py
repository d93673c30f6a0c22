"""The finding of an examination: one line with a level, for doctor and the checks of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

OK, NOTE, WARN, FAULT = "ok", "note", "warn", "fault"
# Names that some() lists; it counts the others.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: level, subject, what was found, and what helps ("" when nothing does)."""

    level: str
    subject: str
    text: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f": {self.cure}" if self.cure else ""
        return f"{self.level:<5}  {self.subject}: {self.text}{cure}"

    def to_document(self) -> dict[str, str]:
        """Returns the finding as a JSON object: level, subject, text and cure."""
        return asdict(self)


def some(names: Sequence[str]) -> str:
    """Lists the first five names and counts the others."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
