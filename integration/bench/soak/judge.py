"""Which sessions of clients failed without a cause that the bench knows."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from integration.bench.soak.backends import Report
from integration.bench.soak.lab import STEADY, is_sticky
from integration.bench.soak.ledger import Place, Troubles, Words
from integration.bench.soak.traffic import NO_FARM, Visit

# Seconds for which a failure waits for the server's word that it was the backend's.
_WAITS = 5.0
_MOST_TOLD = 20
# Backends whose process paused may have been taken out, and are back after an interval and the checks of `rise`.
_OUTLASTS = 30.0


class Judge:
    """Counts sessions; `wrong` has a line for each of the first that failed without a cause.

    A session may fail in a time of trouble, or because the backend that it got had failed and the guardian could not
    know yet, which the server confirms by the client's port. story tells of a farm what its guardian has said lately.
    """

    def __init__(
        self, places: Mapping[str, Place], words: Words, troubles: Troubles, story: Callable[[str], str]
    ) -> None:
        self._places, self._words, self._troubles, self._story = places, words, troubles, story
        self.counts: Counter[str] = Counter()
        self.failed_in: Counter[str] = Counter()
        self.longest: dict[str, float] = {}
        self.wrong: list[str] = []
        self.unexplained = 0
        self._waiting: deque[Visit] = deque()
        self._spoiled: dict[int, deque[float]] = {}
        self.flaps: Counter[str] = Counter()

    def take(self, visits: Sequence[Visit], report: Report, now: float) -> None:
        """Takes the sessions that have ended, and what the backends report of the same time."""
        self.flaps.update(failures=report.failures, recoveries=report.recoveries, accepted=report.accepted)
        for port, when in report.spoiled:
            self._spoiled.setdefault(port, deque(maxlen=4)).append(when)
        for begin, end in report.pauses:
            self._pause(begin, end)
        for visit in visits:
            if visit.farm == NO_FARM:
                self._pause(visit.begin, visit.end)
            elif visit.wrong:
                self._waiting.append(visit)
            else:
                self.counts[_kind(visit)] += 1
                self._require_allowed(visit)
        while self._waiting and self._waiting[0].end < now - _WAITS:
            self._judge(self._waiting.popleft())

    def _pause(self, begin: float, end: float) -> None:
        """Takes a time in which backends or clients did not run: what they could not do is no fault of the guardian."""
        self.counts["pause"] += 1
        self._troubles.begin("a pause of the bench", begin).end = end + _OUTLASTS

    def _judge(self, visit: Visit) -> None:
        self.counts[_kind(visit)] += 1
        trouble = self._troubles.explain(visit.begin, visit.end, is_steady=visit.farm == STEADY)
        if any(visit.begin - 0.1 <= when <= visit.end for when in self._spoiled.get(visit.port, ())):
            self.failed_in["a failed backend"] += 1
        elif trouble is not None:
            self.failed_in[trouble.name] += 1
            if not visit.is_held:
                since = visit.end - trouble.begin
                self.longest[trouble.name] = max(self.longest.get(trouble.name, 0.0), since)
        else:
            took = f"after {visit.end - visit.begin:.2f} s, {self._troubles.around(visit.begin, visit.end)}"
            self._complain(f"{_kind(visit)} of {visit.farm}: {visit.wrong} {took}; {self._story(visit.farm)}")

    def _require_allowed(self, visit: Visit) -> None:
        place = self._places.get(visit.address)
        if place is None or place[0] != visit.farm:
            self._complain(f"a session of {visit.farm} was answered by {visit.address}")
        elif not is_sticky(visit.farm) and self._words.was_out(place, visit.begin):
            self._complain(
                f"a session of {visit.farm} was led to {place[1]}, which is {self._words.confirmed.get(place)}"
            )

    def _complain(self, line: str) -> None:
        self.unexplained += 1
        if len(self.wrong) < _MOST_TOLD:
            self.wrong.append(line)


def _kind(visit: Visit) -> str:
    return "held session" if visit.is_held else "session"
