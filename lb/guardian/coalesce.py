"""Decides when the next change goes to the kernel: a single one at once, many close together as one; pure."""

from __future__ import annotations

# Seconds. With these gaps, a mass failure that the checks discover over 5 s is four transactions.
_FIRST_GAP = 0.1
_GROWTH = 10
_LONGEST_GAP = 4.0
# Changes more than 0.5 s apart, such as those of a flapping backend, are not coalesced.
_CLOSE = 0.5


class Batching:
    """The pause before a transaction: none for the first change, then 0.1, 1 and 4 s while changes follow closely.

    An urgent change ends the pause.
    """

    __slots__ = ("_gap", "_last", "_is_storm")

    def __init__(self) -> None:
        self._gap = 0.0
        self._last = float("-inf")
        self._is_storm = False

    def due(self, now: float, urgent: float) -> float:
        """Returns when to run the changes whose first was requested now; urgent is the latest time that all allow.

        Changes follow closely by the time of their request, not of their transaction: a slow machine applies the same
        number of transactions, later.
        """
        self._is_storm = now - self._last <= _CLOSE
        return max(now, min(self._last + self._gap, urgent)) if self._is_storm else now

    def done(self, now: float) -> None:
        """Records a transaction."""
        self._gap = min(_LONGEST_GAP, self._gap * _GROWTH) if self._is_storm else _FIRST_GAP
        self._last = now
