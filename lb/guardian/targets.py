"""Keeps one target for each distinct command line and deadline, and hands its results to all farms that use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from noidchecks.status.result import Result

from ..farm import Farm
from ..guard import fill_in
from .checks import Check
from .desired import Place, places_of
from .health import BackendHealth, Change, WatchKey, pace_of
from .schedule import Pace, Rhythm

# The command line for one address, as words, and the deadline in seconds.
TargetKey = tuple[tuple[str, ...], float]


@dataclass(slots=True, eq=False)
class Target:
    """A check, its rhythm, and the watches (BackendHealth) that get its results.

    address is for display; for a command without HOST, which is the same for all backends, it is that of the first one.
    repeats counts the failures in a row that were repeated, because they are no verdict (excuses.py).
    """

    check: Check
    address: str
    rhythm: Rhythm
    watches: Sequence[BackendHealth] = ()
    repeats: int = 0
    _pace: Pace | None = None

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

    @property
    def is_unknown(self) -> bool:
        """Whether no result has decided anything yet."""
        return all(watch.up.value is None for watch in self.watches)

    def watch(self, watches: Sequence[BackendHealth]) -> bool:
        """Replaces the watches, and tells whether that changes anything."""
        if self.watches == watches:
            return False
        self.watches = watches
        self._pace = None
        return True

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
    """All targets of the farms; known health and rhythm are kept when the farms change.

    A farm that stays as it is keeps its watches, so that the change of one farm among hundreds costs little. by_key has
    the targets, places the watches of each backend at each of its addresses; both are other mappings after configure().
    """

    def __init__(self) -> None:
        self._farms: tuple[Farm, ...] = ()
        self.by_key: Mapping[TargetKey, Target] = {}
        self.places: Mapping[Place, Sequence[BackendHealth]] = {}
        # By the name of the farm.
        self._watches: dict[str, list[tuple[TargetKey, BackendHealth]]] = {}
        self._number = 0

    def __iter__(self) -> Iterator[Target]:
        return iter(self.by_key.values())

    def each_watch(self, farm: str | None = None) -> Iterator[BackendHealth]:
        """Returns an iterator over the present watches, of all farms or one; configure() does not disturb it."""
        chosen = self._watches.values() if farm is None else [self._watches.get(farm, [])]
        # Not a list: while one of 10,000 is new, each garbage collection takes milliseconds to traverse it.
        return (watch for watches in chosen for _, watch in watches)

    def recognize(self, farms: tuple[Farm, ...]) -> tuple[Farm, ...]:
        """Returns the farms, each equal to a present one replaced by that; the present tuple when all are equal."""
        known = {farm.name: farm for farm in self._farms}
        found = tuple(old if (old := known.get(farm.name)) == farm else farm for farm in farms)
        return self._farms if found == self._farms else found

    def new_among(self, farms: tuple[Farm, ...]) -> tuple[Farm, ...]:
        """Returns those of the recognized farms that are new or changed."""
        known = {id(farm) for farm in self._farms}
        return tuple(farm for farm in farms if id(farm) not in known)

    def configure(self, farms: tuple[Farm, ...], now: float) -> list[Target]:
        """Replaces the farms by recognized ones; returns the targets that are new, gone or have other watches."""
        if farms is self._farms:
            return []
        old, watched = self.by_key, {farm.name: self._watches.get(farm.name, []) for farm in farms}
        new = self.new_among(farms)
        watched |= {farm.name: [] for farm in new}
        for key, watch in inherit(new, old):
            watched[watch.farm].append((key, watch))
        found: dict[TargetKey, list[BackendHealth]] = {}
        places: dict[Place, list[BackendHealth]] = {}
        for key, watch in chain.from_iterable(watched.values()):
            found.setdefault(key, []).append(watch)
            places.setdefault(watch.place, []).append(watch)
        self._farms, self._watches, self.places = farms, watched, places
        # The first round starts about 1,000 checks a second: all targets have it in the same part of their interval.
        share = sum(1 / _interval(ones) for key, ones in found.items() if key not in old) / 1000
        self.by_key = {key: old.get(key) or self._make(key, ones, now, share) for key, ones in found.items()}
        changed = [target for key, target in self.by_key.items() if target.watch(found[key])]
        return changed + [target for key, target in old.items() if key not in found and target.watch(())]

    def _make(self, key: TargetKey, watches: list[BackendHealth], now: float, share: float) -> Target:
        interval = _interval(watches)
        soon = max(share * interval, min(watch.guard.fast for watch in watches))
        rhythm = Rhythm(self._number, now, interval=interval, soon=soon)
        self._number += 1
        return Target(Check(*key), watches[0].address, rhythm)


def _interval(watches: list[BackendHealth]) -> float:
    return min(watch.guard.interval for watch in watches)


def inherit(farms: tuple[Farm, ...], known: Mapping[TargetKey, Target]) -> Iterator[tuple[TargetKey, BackendHealth]]:
    """Yields a BackendHealth for each check that the farms want, with the knowledge of equal checks copied."""

    @cache
    def same_check(key: TargetKey) -> Mapping[WatchKey, BackendHealth]:
        return {one.key: one for one in known[key].watches} if key in known else {}

    # Where only the deadline differs, the knowledge still holds.
    @cache
    def by_words() -> Mapping[tuple[str, ...], list[TargetKey]]:
        found: dict[tuple[str, ...], list[TargetKey]] = {}
        for key in known:
            found.setdefault(key[0], []).append(key)
        return found

    @cache
    def same_words(words: tuple[str, ...]) -> Mapping[WatchKey, BackendHealth]:
        return {name: one for key in by_words().get(words, ()) for name, one in same_check(key).items()}

    for key, watch in _wanted(farms):
        same = same_check(key)
        adopted = same.get(watch.key) or same_words(key[0]).get(watch.key)
        if adopted is None:
            # A new farm or backend takes over the health of the same check, instead of waiting for a first result.
            adopted = next(iter((same or same_words(key[0])).values()), None)
        if adopted is not None:
            watch.adopt(adopted)
        yield key, watch


def _wanted(farms: tuple[Farm, ...]) -> Iterator[tuple[TargetKey, BackendHealth]]:
    for farm in farms:
        if (guard := farm.guardian) is None:
            continue
        for _, backend, address in places_of(farm):
            port, version = farm.ports_of(backend)[0], address.version
            shown = f"[{address}]:{port}" if version == 6 else f"{address}:{port}"
            for command in farm.commands:
                key = fill_in(command, str(address), port), guard.timeout
                yield key, BackendHealth(farm.name, backend.name, version, command, guard, shown)
