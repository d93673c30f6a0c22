"""What a guardian knows, as it tells it to another process, and what it would make of farms with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..farm import Farm
from ..guard import Guard
from ..nft.compile import Condition, Conditions
from ..overrides import Overrides, from_json, to_json
from .desired import Place, merge, verdicts_of
from .health import BackendHealth, RiseFall
from .lock import GuardError
from .targets import TargetKey, inherit


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that decides how a guardian has farms served.

    That is the operator's words, the watches of each probe, what serves at the moment, and the percentages of weights
    of farms that go by connections.
    """

    words: Overrides
    watches: Mapping[TargetKey, Sequence[BackendHealth]]
    present: Mapping[Place, bool]
    shares: Mapping[str, Mapping[str, int]]

    def conditions(self, farms: tuple[Farm, ...], now: float) -> Conditions:
        """Returns how a guardian that knows this would have farms served, also farms that it has not; of that time.

        Times are those of the monotonic clock, which all processes of a machine share.
        """
        places: dict[Place, list[BackendHealth]] = {}
        for _, watch in inherit(farms, self.watches):
            places.setdefault(watch.place, []).append(watch)
        found: dict[tuple[str, str], Condition] = {}
        for farm in farms:
            balance = self.shares.get(farm.name)
            found |= merge(farm, self.words, verdicts_of(farm, places), self.present, now, balance=balance).conditions
        return found

    def unchecked(self, farms: tuple[Farm, ...]) -> list[str]:
        """Returns the names of those farms whose backends serve, or not, as now until the first result of a command."""
        fresh = {watch.farm for _, watch in inherit(farms, self.watches) if not watch.probes and self._knows(watch)}
        return [farm.name for farm in farms if farm.name in fresh]

    def _knows(self, watch: BackendHealth) -> bool:
        return watch.up.value is None and watch.place in self.present


def tell(knowledge: Knowledge) -> dict[str, Any]:
    """Writes it for JSON."""
    return {
        "words": json.loads(to_json(knowledge.words)),
        "probes": [
            [words, timeout, [_told(watch) for watch in watches]]
            for (words, timeout), watches in knowledge.watches.items()
        ],
        "present": [[*place, serves] for place, serves in knowledge.present.items()],
        "shares": knowledge.shares,
    }


def understand(told: Any) -> Knowledge:
    """Reads it; GuardError when it is not what this version tells."""
    try:
        return Knowledge(
            words=from_json(json.dumps(told["words"]).encode()),
            watches={
                (tuple(words), timeout): [_understood(one) for one in watches]
                for words, timeout, watches in told["probes"]
            },
            present={(farm, backend, version): serves for farm, backend, version, serves in told["present"]},
            shares=told["shares"],
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        raise GuardError("what the guardian knows is not understood: it is of another version") from None


def _told(watch: BackendHealth) -> list[object]:
    return [*watch.key, watch.up.value, watch.half.value, watch.since, watch.recovered, watch.probes]


def _understood(told: Sequence[Any]) -> BackendHealth:
    farm, backend, version, command, up, half, since, recovered, probes = told
    # How it is watched says the farm that it is put to use for.
    watch = BackendHealth(farm, backend, version, command, Guard())
    watch.up, watch.half = RiseFall(up), RiseFall(half)
    watch.since, watch.recovered, watch.probes = since, recovered, probes
    return watch
