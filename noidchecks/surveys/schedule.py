"""When each target of a survey is checked: rounds, each spread evenly, at a distance that does not drift."""

from __future__ import annotations

from time import monotonic

from ..drivers.poll import WaitUntil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from ..contract import Probe
    from ..status.state import State
    from .targets import Target

# So many checks start at once when they would all come within this time: a process that wakes up for a single one finds
# cold caches, which cost several times as much as the check. More of them would wait for each other.
_GROUP = 4
_GROUP_SECONDS = 0.25


class Round:
    """One pass over all targets: how many there are, when it began, the states so far, and how many were skipped."""

    __slots__ = ("began", "expected", "skipped", "states")

    def __init__(self, expected: int) -> None:
        self.began = monotonic()
        self.expected = expected
        self.skipped = 0
        self.states: dict[State, int] = {}

    @property
    def checked(self) -> int:
        """How many targets have a result."""
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """How many targets are over, with a result or skipped."""
        return self.checked + self.skipped

    def count(self, state: State) -> None:
        """Counts a result."""
        self.states[state] = self.states.get(state, 0) + 1


class Schedule:
    """Yields what survey_schedule() takes: ((round, target), probe), and times to wait for.

    over and every are seconds; with every the rounds go on for ever, each beginning so long after the one before began.
    When a round could not start all its checks in that time, say() reports it, and the next round begins at once.
    load is called before each round, and returns its targets; what it yields before lets the checks that run go on.
    may_start tells, when the time of a target has come, whether it is checked in this round.
    """

    def __init__(
        self,
        load: Callable[[], Generator[WaitUntil, None, Sequence[Target]]],
        over: float,
        every: float,
        say: Callable[[str], None],
        may_start: Callable[[Round, Target], bool] = lambda *_: True,
    ) -> None:
        self._load = load
        self._over = over
        self._every = every
        self._say = say
        self._may_start = may_start

    def __iter__(self) -> Iterator[tuple[tuple[Round, Target], Probe] | WaitUntil]:
        due = monotonic()
        while True:
            yield from self._one_round()
            if not self._every:
                return
            due += self._every
            late = monotonic() - due
            if late > self._every / 100:
                self._say(f"the round took {self._every + late:.1f} s, longer than its interval of {self._every:g} s")
                due += late
            yield WaitUntil(due)

    def _one_round(self) -> Iterator[tuple[tuple[Round, Target], Probe] | WaitUntil]:
        targets = yield from self._load()
        this = Round(len(targets))
        together = _together(self._over / max(1, len(targets)))
        for number, target in enumerate(targets):
            if self._over and not number % together:
                yield WaitUntil(this.began + number * self._over / len(targets))
            if self._may_start(this, target):
                yield (this, target), target.command.probe


def _together(interval: float) -> int:
    return max(1, min(_GROUP, int(_GROUP_SECONDS / interval))) if interval else 1
