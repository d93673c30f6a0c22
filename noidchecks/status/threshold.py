"""Ranges: the thresholds of the plugin guidelines."""

from __future__ import annotations

from ..errors import UsageError
from ..fields import is_finite, require_types
from ..value import Value

_INFINITY = float("inf")
_NUMBER = frozenset("0123456789+-.eE")


class Range(Value):
    """The values that raise no alert: start..end including both ends, or all values outside that when inside is set.

    start may be -inf and end may be inf; raises ValueError when start is greater than end or one is not a number.
    """

    start: float
    end: float
    inside: bool

    def __init__(self, start: float = 0.0, end: float = _INFINITY, *, inside: bool = False) -> None:
        self._fill(locals())
        require_types(self)
        if any(isinstance(number, int) and not is_finite(number) for number in (start, end)):
            raise UsageError("range must have ends that a float can hold")
        if not start <= end or start == _INFINITY or end == -_INFINITY:
            raise ValueError(f"range must not start after its end: {start}:{end}")
        self._fill({"start": float(start), "end": float(end), "inside": inside})

    @classmethod
    def parse(cls, text: str) -> Range:
        """Reads `[@][start:][end]`, where `~` as start is minus infinity; ValueError for anything else."""
        body = text[1:] if text.startswith("@") else text
        start, colon, end = body.rpartition(":")
        if not text or (colon and "~" in end):
            raise ValueError(f"range must have the form [@][start:][end], not {text!r}")
        try:
            low = -_INFINITY if start == "~" else _number(start or "0")
            high = _number(end) if end else _INFINITY
            return cls(low, high, inside=body is not text)
        except ValueError as error:
            raise ValueError(f"range must have the form [@][start:][end], not {text!r}") from error

    @property
    def is_upper_limit(self) -> bool:
        """Whether the range is a plain number: alert above it (and below 0)."""
        return self.start == 0 and self.end != _INFINITY and not self.inside

    def alerts(self, value: float) -> bool:
        """Tells whether the value raises the alert."""
        return (self.start <= value <= self.end) is self.inside

    def __str__(self) -> str:
        end = "" if self.end == _INFINITY else _decimal(self.end)
        if self.start == -_INFINITY:
            start = "~:"
        elif self.start == 0:
            start = "" if end else "0:"
        else:
            start = f"{_decimal(self.start)}:"
        return f"{'@' if self.inside else ''}{start}{end}"


def _number(text: str) -> float:
    # float() also accepts blanks, underscores, digits of other scripts, nan and inf; it reads 1e999 as inf.
    if not _NUMBER.issuperset(text) or abs(number := float(text)) == _INFINITY:
        raise ValueError(f"not a number: {text!r}")
    return number


def _decimal(value: float) -> str:
    # The guidelines allow no exponent; repr() gives the fewest digits that read back as the same float.
    text, e, exponent = repr(value).partition("e")
    if e and exponent.startswith("-"):
        digits = text.lstrip("-").replace(".", "")
        text = f"{'-' if value < 0 else ''}0.{'0' * (-int(exponent) - 1)}{digits}"
    elif e:
        text = f"{value:.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
