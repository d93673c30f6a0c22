"""What a look at the machine or at a configuration brought to light."""

from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, WARN, FAULT = "ok", "note", "warn", "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how bad it is, what was looked at, what was found and what helps."""

    level: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.level:<5}  {self.subject}: {self.text}"
