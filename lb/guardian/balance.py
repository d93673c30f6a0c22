"""Least connections: the share of each backend out of the connections that it has; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..farm import Backend

# Percent of the configured weight: nobody starves, and nobody gets everything.
LEAST, MOST = 20, 300
# A share moves by at most a quarter of itself in one step.
_SMOOTHNESS = 4
# With fewer connections than these for each backend there is nothing to even out.
_FEW = 2.0


def step(backends: Sequence[Backend], counts: Mapping[str, int], shares: Mapping[str, int]) -> dict[str, int]:
    """Returns the next shares, in percent of the weights, of the backends that serve.

    counts are their current connections by name, shares what they have at the moment (missing: 100). Who has more
    connections for its weight than the others gets fewer new ones, until they are even.
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
    # At the average 100, at twice that 50, and without a connection as much as anybody may have.
    return round(100 * average / load) if load > 0 else MOST


def _toward(share: int, wanted: int) -> int:
    wanted = min(MOST, max(LEAST, wanted))
    most = max(1, share // _SMOOTHNESS)
    return share + max(-most, min(most, wanted - share))
