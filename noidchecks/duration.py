"""Durations as an operator writes them: "500ms", "90s", "30m", "1.5h", "7d", "2w", or a number of seconds."""

from __future__ import annotations

_MILLISECONDS = {
    "": 1000,
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
# Nine digits of seconds are 31 years: no wait here is longer, and a float still holds the milliseconds.
_MOST_DIGITS = 9
_MOST_DECIMALS = 3


def seconds(text: str) -> float | None:
    """Returns the seconds of a duration such as "5m", or None when the text is not a duration."""
    number = text.rstrip("smhdw")
    factor = _MILLISECONDS.get(text[len(number) :])
    whole, point, decimals = number.partition(".")
    if factor is None or not _are_digits(whole, _MOST_DIGITS) or (point and not _are_digits(decimals, _MOST_DECIMALS)):
        return None
    return float(number) * factor / 1000


def _are_digits(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= most
