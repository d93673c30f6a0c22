"""Keeps one target for each distinct command line and deadline, and hands its results to all farms that use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from noidchecks.status.result import Result

from ..farm import Farm, IPAddress
from ..guard import Guard, fill_in
from .checks import Check
from .desired import Place, versions_of
from .health import BackendHealth, Change, pace_of
from .schedule import Pace, Rhythm

# The command line for one address, as words, and the deadline in seconds.
TargetKey = tuple[tuple[str, ...], float]


class Target:
    """A check, its rhythm, and the watches (BackendHealth) that get its results.

    address is for display; for a command without HOST, which is the same for all backends, it is that of the first one.
    repeats counts the failures in a row that were repeated because this process had paused.
    """

    __slots__ = ("check", "address", "rhythm", "watches", "repeats", "_pace")

    def __init__(self, check: Check, address: str, rhythm: Rhythm) -> None:
        self.check = check
        self.address = address
        self.rhythm = rhythm
        self.watches: Sequence[BackendHealth] = ()
        self.repeats = 0
        self._pace: Pace | None = None

    @property
    def pace(self) -> Pace:
        """The present pace, which the watches decide."""
        if self._pace is None:
            self._pace = pace_of(self.watches)
        return self._pace

    @property
    def is_decisive(self) -> bool:
        """Whether the next result alone may take a backend out."""
        return any(watch.up.value and watch.guard.fall == 1 for watch in self.watches)

    def watch(self, watches: Sequence[BackendHealth]) -> None:
        """Replaces the watches."""
        self.watches = watches
        self._pace = None

    def take(self, result: Result, now: float, excuse: str = "") -> list[tuple[BackendHealth, Change]]:
        """Hands a result to the watches and returns the changes; excuse as in BackendHealth.take()."""
        changes = []
        for watch in self.watches:
            was_doubtful = watch.is_doubtful
            change = watch.take(result, now, excuse)
            if change is not None:
                changes.append((watch, change))
            if change is not None or watch.is_doubtful is not was_doubtful:
                self._pace = None
        return changes


class Targets:
    """All targets of the farms; known health and rhythm are kept when the farms change."""

    def __init__(self) -> None:
        self._targets: dict[TargetKey, Target] = {}
        self._places: dict[Place, list[BackendHealth]] = {}
        self._number = 0

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets.values())

    def __len__(self) -> int:
        return len(self._targets)

    @property
    def watches(self) -> Mapping[TargetKey, Sequence[BackendHealth]]:
        """The watches of each target."""
        return {key: target.watches for key, target in self._targets.items()}

    @property
    def places(self) -> Mapping[Place, list[BackendHealth]]:
        """The watches of each backend at each of its addresses."""
        return self._places

    def configure(self, farms: tuple[Farm, ...], now: float) -> list[Target]:
        """Replaces the farms and returns the targets that are no longer needed."""
        old = self._targets
        found: dict[TargetKey, list[BackendHealth]] = {}
        self._places = {}
        for key, watch in inherit(farms, self.watches):
            found.setdefault(key, []).append(watch)
            self._places.setdefault(watch.place, []).append(watch)
        # The first round starts at most 1,000 checks a second.
        soon = len(found.keys() - old.keys()) / 1000
        self._targets = {}
        for key, watches in found.items():
            target = self._targets[key] = old.get(key) or self._make(key, watches[0], now, soon)
            target.watch(watches)
        gone = [target for key, target in old.items() if key not in self._targets]
        for target in gone:
            target.watch(())
        return gone

    def _make(self, key: TargetKey, watch: BackendHealth, now: float, soon: float) -> Target:
        rhythm = Rhythm(self._number, now, interval=watch.guard.interval, soon=max(soon, watch.guard.fast))
        self._number += 1
        return Target(Check(*key), watch.address, rhythm)


def inherit(
    farms: tuple[Farm, ...], known: Mapping[TargetKey, Sequence[BackendHealth]]
) -> Iterator[tuple[TargetKey, BackendHealth]]:
    """Yields a BackendHealth for each check that the farms want, with the knowledge of equal checks copied."""
    # Only the deadline differs: the knowledge still holds.
    by_words = {words: watches for (words, _), watches in known.items()}
    for key, farm, guard, name, address, port, command in _wanted(farms):
        watch = BackendHealth(farm, name, address.version, command, guard, _shown(address, port))
        # A new farm or backend takes over the health of the same check, instead of waiting for a first result.
        previous = {one.key: one for one in known.get(key) or by_words.get(key[0], ())}
        adopted = previous.get(watch.key) or next(iter(previous.values()), None)
        if adopted is not None:
            watch.adopt(adopted)
        yield key, watch


def _shown(address: IPAddress, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _wanted(farms: tuple[Farm, ...]) -> Iterator[tuple[TargetKey, str, Guard, str, IPAddress, int, str]]:
    for farm in farms:
        if farm.guardian is None:
            continue
        versions = versions_of(farm)
        for backend in farm.backends:
            port = backend.port or farm.ports[0]
            for address in backend.address:
                if address.version not in versions:
                    continue
                for command in farm.commands:
                    key = fill_in(command, str(address), port), farm.guardian.timeout
                    yield key, farm.name, farm.guardian, backend.name, address, port, command
