"""Gaps in which this process did not run are found out, whichever clock shows them."""

from __future__ import annotations

import pytest
from noidlb.guardian.pulse import PERIOD, Pulse


class Clocks:
    """The loop's clock, the one that goes on in sleep, and the wall clock."""

    def __init__(self) -> None:
        self.loop, self.boot, self.wall = 100.0, 1000.0, 1e9
        self.pulse = Pulse(self.loop, lambda: (self.boot, self.wall))

    def run(self, seconds: float, *, boot: float | None = None, wall: float | None = None) -> float:
        """Beats after so many seconds of each clock."""
        self.loop += seconds
        self.boot += seconds if boot is None else boot
        self.wall += seconds if wall is None else wall
        return self.pulse.beat(self.loop)


def test_a_process_that_runs_misses_nothing() -> None:
    clocks = Clocks()
    assert [clocks.run(seconds) for seconds in (PERIOD, PERIOD + 0.05, 0.001, 0.0)] == [0.0] * 4
    assert clocks.pulse.lost(0.0) == 0.0


@pytest.mark.parametrize(
    "times",
    [{"seconds": 5.0}, {"seconds": PERIOD, "boot": 5.0}, {"seconds": PERIOD, "wall": 5.0}],
    ids=["stopped", "asleep", "snapshot"],
)
def test_a_gap_of_any_clock_counts_for_what_ran_across_it(times: dict[str, float]) -> None:
    clocks = Clocks()
    clocks.run(PERIOD)
    before = clocks.loop
    assert clocks.run(**times) == pytest.approx(5.0 - PERIOD, abs=1e-3)
    clocks.run(PERIOD)
    assert clocks.pulse.lost(before) == pytest.approx(5.0 - PERIOD, abs=1e-3)
    assert clocks.pulse.lost(clocks.loop) == 0.0


def test_a_clock_that_is_put_back_is_no_gap() -> None:
    clocks = Clocks()
    assert clocks.run(PERIOD, wall=-3600.0) == 0.0


def test_gaps_add_up() -> None:
    clocks = Clocks()
    before = clocks.loop
    for _ in range(3):
        clocks.run(1.0 + PERIOD)
    assert clocks.pulse.lost(before) == pytest.approx(3.0)
