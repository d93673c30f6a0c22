"""What a look at the machine or at a configuration brought to light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

OK, NOTE, WARN, FAULT = "ok", "note", "warn", "fault"
# So many names are listed one by one.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how bad it is, what was looked at, what was found, and what helps if anything does."""

    level: str
    subject: str
    text: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f": {self.cure}" if self.cure else ""
        return f"{self.level:<5}  {self.subject}: {self.text}{cure}"

    def to_document(self) -> dict[str, str]:
        """Returns the members of a JSON object: level, subject, text and cure, of which the last may be empty."""
        return asdict(self)


def some(names: Sequence[str]) -> str:
    """Lists the first of the names, and says how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
