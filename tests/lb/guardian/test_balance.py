from __future__ import annotations

from hypothesis import given, strategies as st
from noidlb.guardian.balance import LEAST, MOST, step

from tests.support.lb.farms import backend

BACKENDS = (backend(1), backend(2), backend(3, weight=2))
counts = st.dictionaries(st.sampled_from(["b1", "b2", "b3", "gone"]), st.integers(0, 100_000))
shares = st.dictionaries(st.sampled_from(["b1", "b2", "b3"]), st.integers(LEAST, MOST))


@given(counts, shares)
def test_nobody_starves_and_nothing_jumps(flows: dict[str, int], before: dict[str, int]) -> None:
    after = step(BACKENDS, flows, before)
    assert after.keys() == {"b1", "b2", "b3"}
    for name, share in after.items():
        was = before.get(name, 100)
        assert LEAST <= share <= MOST
        assert abs(share - was) <= was // 4


def test_connections_even_out() -> None:
    flows = {"b1": 300.0, "b2": 0.0, "b3": 0.0}
    now: dict[str, int] = {}
    for _ in range(60):
        now = step(BACKENDS, {name: int(number) for name, number in flows.items()}, now)
        total = sum(now[one.name] * one.weight for one in BACKENDS)
        for one in BACKENDS:
            # Thirty new ones a step, by share; a tenth of the old ones ends.
            flows[one.name] = flows[one.name] * 0.9 + 30 * now[one.name] * one.weight / total
    loads = [flows[one.name] / one.weight for one in BACKENDS]
    assert max(loads) < 1.15 * min(loads)


def test_few_connections_say_nothing() -> None:
    assert step(BACKENDS, {"b1": 3}, {}) == {"b1": 100, "b2": 100, "b3": 100}
    assert step(BACKENDS, {}, {"b1": 20, "b2": 300}) == {"b1": 25, "b2": 225, "b3": 100}
    assert step((), {}, {}) == {}
