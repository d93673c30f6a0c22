"""The last probes for the index page: the newest ones, followed by the newest older failures."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .metrics import ProbeOutcome


class History:
    """Keeps the newest outcomes with ascending numbers, and further older failures, at most the same number of each.

    Otherwise, the probes of a thousand healthy servers would displace a single failure within seconds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._next = 0
        self._newest: deque[tuple[int, ProbeOutcome]] = deque()
        self._failures: deque[tuple[int, ProbeOutcome]] = deque(maxlen=most)

    def add(self, outcome: ProbeOutcome) -> None:
        """Adds an outcome."""
        self._newest.append((self._next, outcome))
        self._next += 1
        if len(self._newest) > self._most:
            oldest = self._newest.popleft()
            if not oldest[1].is_success:
                self._failures.append(oldest)

    def newest(self) -> Sequence[tuple[int, ProbeOutcome]]:
        """Returns the kept outcomes with their numbers, the newest first."""
        return [*reversed(self._newest), *reversed(self._failures)]

    def find(self, number: int) -> ProbeOutcome | None:
        """Returns the outcome with that number, None when it is no longer kept."""
        return next((outcome for found, outcome in self.newest() if found == number), None)
