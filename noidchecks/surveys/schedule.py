"""The schedule of a survey: rounds at an interval without drift, each with its checks spread evenly."""

from __future__ import annotations

from time import monotonic

from ..drivers.poll import WaitUntil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from ..contract import Probe
    from ..status.state import State
    from .targets import Target

# Up to 4 checks that are due within 0.25 s are started together: a process that wakes up for a single check finds cold
# caches, which cost several times as much as the check. More of them would delay each other.
_GROUP = 4
_GROUP_SECONDS = 0.25


class Round:
    """One pass over all targets: their number, the time of its start, the states so far, the number of skipped ones."""

    __slots__ = ("began", "expected", "skipped", "states")

    def __init__(self, expected: int) -> None:
        self.began = monotonic()
        self.expected = expected
        self.skipped = 0
        self.states: dict[State, int] = {}

    @property
    def checked(self) -> int:
        """The number of targets with a result."""
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """The number of targets that have a result or were skipped."""
        return self.checked + self.skipped

    def count(self, state: State) -> None:
        """Counts a result."""
        self.states[state] = self.states.get(state, 0) + 1


class Schedule:
    """The schedule for survey_schedule(): yields ((round, target), probe), and times to wait for.

    over and every are seconds; with every, rounds repeat without end, each starting that long after the start of the
    previous one. When a round could not start all its checks in that time, say() reports it, and the next round
    starts at once. load is called before each round and returns its targets; the running checks continue whenever it
    yields. may_start tells, when a target is due, whether it is checked in this round.
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
