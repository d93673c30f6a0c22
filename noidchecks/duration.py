"""Durations as an operator writes them: "500ms", "5s", "5m", "1h", "1d", or a number of seconds."""

from __future__ import annotations

import re

# Nine digits are 31 years: nothing here waits longer, and no float loses a millisecond.
_TEXT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def seconds(text: str) -> float | None:
    """Returns the seconds that a duration such as "5m" means, or None when it is none."""
    match = _TEXT.fullmatch(text)
    return float(match[1]) * _MILLISECONDS[match[2]] / 1000 if match else None
