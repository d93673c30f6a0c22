"""Computes the desired conditions of backends from verdicts of the checks and overrides of the operator; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..address import IPAddress
from ..farm import Backend, BackendState, Condition, Conditions, Farm, Scheduler
from ..nft.marks import Marks
from ..nft.table import Table
from ..overrides import Overrides
from .health import BackendHealth

# A backend of a farm at its address of one IP version.
Place = tuple[str, str, int]
# Slow start: a recovered backend begins with 10 % of its weight and gains 10 % with each step.
_STEP = 10
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """The combined health of a backend at one address by all its commands; times are those of the caller's clock.

    up is None while one command has no verdict yet and none says down. since is the time of the last change, recovered
    that of the last change from down to up. tried: each command has had a result, though perhaps no verdict.
    """

    up: bool | None = None
    since: float = 0.0
    recovered: float | None = None
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """The conditions of a farm's backends; floored are those that min-backends alone keeps in service.

    shares are the percentages of weights other than 100. until is the time of the next step of slow start, None when no
    backend is in it.
    """

    conditions: Conditions
    floored: frozenset[Place] = frozenset()
    shares: Mapping[str, int] = field(default_factory=dict)
    until: float | None = None


def verdict(watches: Iterable[BackendHealth]) -> Verdict:
    """Combines the commands' health of one backend at one address: it is up when all say up, down when one does."""
    found = list(watches)
    values = [watch.up.value for watch in found]
    return Verdict(
        up=False if False in values else None if None in values else True,
        since=max((watch.since for watch in found if watch.since is not None), default=0.0),
        recovered=max((watch.recovered for watch in found if watch.recovered is not None), default=None),
        tried=bool(found) and all(watch.probes for watch in found),
    )


def places_of(farm: Farm) -> Iterator[tuple[Place, Backend, IPAddress]]:
    """Yields each backend at each of its addresses that can serve clients: those of the VIPs' IP versions."""
    versions = farm.versions
    for backend in farm.backends:
        for address in backend.address:
            if address.version in versions:
                yield (farm.name, backend.name, address.version), backend, address


def verdicts_of(farm: Farm, watches: Mapping[Place, Sequence[BackendHealth]]) -> dict[Place, Verdict]:
    """Returns the verdicts on the backends of a farm that are checked."""
    return {place: verdict(found) for place, _, _ in places_of(farm) if (found := watches.get(place))}


def served(farms: tuple[Farm, ...], table: Table) -> dict[Place, bool]:
    """Returns whether the kernel's table has an address for each backend, of the farms in the table.

    A backend that the table has at another address is missing, because it is a new one.
    """
    marks, found = Marks(farms), {}
    serving = {version: table.serving(version) for version in (4, 6)}
    targets = {version: table.targets(version) for version in (4, 6)}
    for farm in farms:
        for place, backend, address in places_of(farm):
            if marks.farm(farm) in serving[address.version]:
                target = targets[address.version].get(marks.backend(farm, backend.name))
                if target is None or target[0] == str(address):
                    found[place] = target is not None
    return found


def standing(
    farms: tuple[Farm, ...],
    watches: Mapping[Place, Sequence[BackendHealth]],
    present: Mapping[Place, bool],
    after: tuple[Farm, ...],
) -> Iterator[tuple[Place, bool]]:
    """Yields for each backend whether it serves by health alone; backends without any knowledge are missing.

    The reconciler keeps it as present when the farms change, so that a backend with a new command stays as it is until
    the first result. after are the farms then: a backend that has another address in them is missing too, because no
    check has seen that server yet.
    """
    new = {farm.name: farm for farm in after}
    for farm in farms:
        verdicts = verdicts_of(farm, watches)
        later = {place: address for place, _, address in places_of(new[farm.name])} if farm.name in new else {}
        for place, _, address in places_of(farm):
            known = farm.guardian is None or place in present or verdicts.get(place, Verdict()) != Verdict()
            if known and later.get(place) == address:
                yield place, farm.guardian is None or _serves(place, verdicts, present)


def merge(
    farm: Farm,
    overrides: Overrides,
    verdicts: Mapping[Place, Verdict],
    present: Mapping[Place, bool],
    now: float,
    *,
    balance: Mapping[str, int] | None = None,
) -> Desired:
    """Merges the verdicts and overrides of one farm.

    An override down or drain wins over every verdict; an override up only replaces the configured state, and health
    still decides. A backend without a verdict stays as present says; where present does not know it, it stays out until
    its first result, and serves when that result is no verdict (its check cannot run). balance has the percentages of
    weights by backend from least-connections.
    """
    wishes = {one.name: overrides.state_of(farm, one) for one in farm.backends}
    if farm.guardian is None:
        return _weighed(farm, {name: Condition(state) for name, state in wishes.items()}, {}, frozenset(), now, balance)
    lost: dict[str, set[int]] = {one.name: set() for one in farm.backends}
    floored: set[Place] = set()
    for version in farm.versions:
        able = [one for one in farm.backends if one.address_of(version)]
        out = [one for one in able if not _serves((farm.name, one.name, version), verdicts, present)]
        kept = _kept(farm, version, able, out, wishes, verdicts)
        # A backend without a verdict is not reported as failed.
        places = ((farm.name, one.name, version) for one in kept)
        floored |= {place for place in places if verdicts.get(place, Verdict()).up is False}
        for one in out:
            if one not in kept:
                lost[one.name].add(version)
    conditions = {}
    for one in farm.backends:
        reachable = {version for version in farm.versions if one.address_of(version)}
        if wishes[one.name] is BackendState.DOWN or (reachable and reachable <= lost[one.name]):
            conditions[one.name] = Condition(BackendState.DOWN)
        else:
            conditions[one.name] = Condition(wishes[one.name], lost=frozenset(lost[one.name]))
    return _weighed(farm, conditions, verdicts, frozenset(floored), now, balance)


def _serves(place: Place, verdicts: Mapping[Place, Verdict], present: Mapping[Place, bool]) -> bool:
    found = verdicts.get(place, Verdict())
    if found.up is not None:
        return found.up
    return present.get(place, found.tried)


def _kept(
    farm: Farm,
    version: int,
    able: list[Backend],
    out: list[Backend],
    wishes: Mapping[str, BackendState],
    verdicts: Mapping[Place, Verdict],
) -> list[Backend]:
    """Returns the backends that min-backends keeps in service: the last to fail of those without an override."""
    guard = farm.guardian
    if guard is None or not guard.min_backends:
        return []
    wanted = [one for one in able if wishes[one.name] is BackendState.UP]
    missing = guard.min_backends - sum(one not in out for one in wanted)
    failed = [one for one in wanted if one in out]
    failed.sort(key=lambda one: verdicts.get((farm.name, one.name, version), Verdict()).since, reverse=True)
    return failed[: max(0, missing)]


def _weighed(
    farm: Farm,
    conditions: Mapping[str, Condition],
    verdicts: Mapping[Place, Verdict],
    floored: frozenset[Place],
    now: float,
    balance: Mapping[str, int] | None,
) -> Desired:
    shares = {}
    until: float | None = None
    for one in farm.backends:
        share = _WHOLE
        for version in farm.versions:
            found = verdicts.get((farm.name, one.name, version))
            if found is None or not found.up:
                continue
            ramp, step = slow_start(found.recovered, now, farm.guardian.slow_start if farm.guardian else 0.0)
            share = min(share, ramp)
            until = step if until is None or (step is not None and step < until) else until
        if balance is not None and farm.scheduler is Scheduler.LEAST_CONNECTIONS:
            share = max(1, share * balance.get(one.name, _WHOLE) // _WHOLE)
        if share != _WHOLE:
            shares[one.name] = share
    # Slots express proportions, so a backend with a reduced share changes the numbers of all; percent times weight.
    if shares:
        weights = {one.name: one.weight * shares.get(one.name, _WHOLE) for one in farm.backends}
        conditions = {name: replace(one, weight=weights[name]) for name, one in conditions.items()}
    return Desired({(farm.name, name): one for name, one in conditions.items()}, floored, shares, until)


def slow_start(recovered: float | None, now: float, duration: float) -> tuple[int, float | None]:
    """Returns the percentage of its weight that a backend has now, and the time of the next step or None."""
    if recovered is None or duration <= 0 or now >= recovered + duration:
        return _WHOLE, None
    steps = _WHOLE // _STEP
    done = min(steps - 1, int(max(0.0, now - recovered) * steps / duration))
    if done == steps - 1:
        return _WHOLE, None
    return (done + 1) * _STEP, recovered + (done + 1) * duration / steps
