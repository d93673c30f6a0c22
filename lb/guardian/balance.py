"""Least connections: computes the shares of backends from their current connections; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..farm import Backend

# Bounds of a share, in percent of the configured weight.
LEAST, MOST = 20, 300
# A share changes by at most a quarter of itself in one step.
_SMOOTHNESS = 4
# Below this average of connections for each backend, shares return to 100.
_FEW = 2.0


def step(backends: Sequence[Backend], counts: Mapping[str, int], shares: Mapping[str, int]) -> dict[str, int]:
    """Returns the next shares, in percent of the weights, of the backends that serve.

    counts are their current connections, shares their current percentages (missing: 100), both by name. A backend with
    more connections for its weight than the average gets fewer new clients until it is at the average.
    """
    weights = {one.name: one.weight for one in backends}
    total = sum(counts.get(name, 0) for name in weights)
    if not weights or total < _FEW * len(weights):
        return {name: _toward(shares.get(name, 100), 100) for name in weights}
    average = total / sum(weights.values())
    return {
        name: _toward(shares.get(name, 100), _wanted(counts.get(name, 0) / weight, average))
        for name, weight in weights.items()
    }


def _wanted(load: float, average: float) -> int:
    # 100 at the average, 50 at twice the average, the most without any connection.
    return round(100 * average / load) if load > 0 else MOST


def _toward(share: int, wanted: int) -> int:
    wanted = min(MOST, max(LEAST, wanted))
    most = max(1, share // _SMOOTHNESS)
    return share + max(-most, min(most, wanted - share))
