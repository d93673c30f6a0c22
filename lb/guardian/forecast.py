"""Predicts the conditions of backends under a configuration that the guardian has not loaded (noidlb diff); pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..farm import Condition, Conditions, Farm
from ..overrides import Overrides
from .desired import Place, merge, verdicts_of
from .health import BackendHealth
from .targets import TargetKey, inherit


@dataclass(frozen=True, slots=True)
class Forecast:
    """The conditions of the backends of some farms.

    unchecked names the farms with a new command: their backends stay as they are until its first result.
    """

    conditions: Conditions
    unchecked: tuple[str, ...]


def forecast(
    farms: tuple[Farm, ...],
    overrides: Overrides,
    watches: Mapping[TargetKey, Sequence[BackendHealth]],
    present: Mapping[Place, bool],
    shares: Mapping[str, Mapping[str, int]],
    now: float,
) -> Forecast:
    """Returns the conditions that a guardian would give the backends of these farms at the time now of its clock.

    watches has its knowledge by target, present whether each backend serves, shares the percentages of weights of farms
    with the scheduler least-connections.
    """
    places: dict[Place, list[BackendHealth]] = {}
    fresh = set()
    for _, watch in inherit(farms, watches):
        places.setdefault(watch.place, []).append(watch)
        if not watch.probes and watch.up.value is None and watch.place in present:
            fresh.add(watch.farm)
    conditions: dict[tuple[str, str], Condition] = {}
    for farm in farms:
        balance = shares.get(farm.name)
        conditions |= merge(farm, overrides, verdicts_of(farm, places), present, now, balance=balance).conditions
    return Forecast(conditions, tuple(farm.name for farm in farms if farm.name in fresh))
