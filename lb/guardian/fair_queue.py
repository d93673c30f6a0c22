"""Shares a limited number of concurrent checks fairly among farms; pure, without clock or I/O."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

# The most places that a farm takes for each place that stays free.
_SHARE = 3


class FairQueue:
    """Begins at most `most` pieces of work at a time, and queues the others by farm.

    A farm takes another place while it has no more than three times as many as are free (a dynamic threshold: Choudhury
    and Hahne, 1998). So a farm whose servers all hang leaves a quarter of the places to the others, whose checks begin
    at once. Farms whose work waits take turns.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._taken: Counter[str] = Counter()
        # Those at the front have waited longest. A farm is here only while it may take no place.
        self._waiting: dict[str, deque[Callable[[], object]]] = {}

    def put(self, farm: str, begin: Callable[[], object]) -> None:
        """Calls begin now or when there is a place for it, which it has until end() is called."""
        if self._has_place(farm):
            self._begin(farm, begin)
        else:
            self._waiting.setdefault(farm, deque()).append(begin)

    def end(self, farm: str) -> None:
        """Frees a place of the farm, and begins queued work."""
        self._free += 1
        self._taken[farm] -= 1
        if not self._taken[farm]:
            del self._taken[farm]
        while self._free and (chosen := next(filter(self._has_place, self._waiting), None)) is not None:
            queue = self._waiting.pop(chosen)
            begin = queue.popleft()
            if queue:
                self._waiting[chosen] = queue
            self._begin(chosen, begin)

    def clear(self) -> None:
        """Drops all queued work."""
        self._waiting.clear()

    def _has_place(self, farm: str) -> bool:
        return self._free > 0 and self._taken[farm] <= _SHARE * self._free

    def _begin(self, farm: str, begin: Callable[[], object]) -> None:
        self._free -= 1
        self._taken[farm] += 1
        begin()
