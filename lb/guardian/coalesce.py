"""When the next change goes to the kernel: at once when it is alone, with others when many come; pure."""

from __future__ import annotations

# A mass failure that probes find out within 5 seconds, the usual interval of thousands of them, is four transactions.
_FIRST_GAP = 0.1
_GROWTH = 10
_LONGEST_GAP = 4.0
# Changes that come farther apart from each other are no storm, as those of a backend that flaps.
_CLOSE = 0.5


class Batching:
    """The pauses between transactions: none at first, longer and longer while changes do not end.

    A change that can wait no longer ends a pause.
    """

    __slots__ = ("_gap", "_last", "_is_storm")

    def __init__(self) -> None:
        self._gap = 0.0
        self._last = float("-inf")
        self._is_storm = False

    def due(self, now: float, urgent: float) -> float:
        """Returns when changes are to be made of which the first has come now, and the most urgent waits until urgent.

        When it came counts, not when it could be made: a busy machine makes changes slower, not fewer.
        """
        self._is_storm = now - self._last <= _CLOSE
        return max(now, min(self._last + self._gap, urgent)) if self._is_storm else now

    def done(self, now: float) -> None:
        """Takes note of a transaction."""
        self._gap = min(_LONGEST_GAP, self._gap * _GROWTH) if self._is_storm else _FIRST_GAP
        self._last = now
