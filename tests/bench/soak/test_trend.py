"""Whether a figure grows: slopes whose truth is known, with errors that tell chance from growth."""

from __future__ import annotations

import math
import random

import pytest

from integration.bench.soak.trend import Trend, last_half, trend


def test_the_slope_of_a_line_is_given_per_hour_without_error() -> None:
    found = trend([(2.0 * number, 100.0 + number) for number in range(50)])
    assert found.slope == pytest.approx(1800.0)
    assert found.error == pytest.approx(0.0)
    assert found.is_growth


def test_what_never_changes_does_not_grow() -> None:
    found = trend([(float(number), 41.0) for number in range(50)])
    assert (found.slope, found.error, found.is_growth) == (0.0, 0.0, False)


def test_what_shrinks_does_not_grow() -> None:
    assert not trend([(float(number), -1.0 * number) for number in range(50)]).is_growth


@pytest.mark.parametrize("samples", [[], [(0.0, 1.0)], [(0.0, 1.0), (1.0, 9.0)], [(5.0, 1.0)] * 9])
def test_too_few_samples_prove_nothing(samples: list[tuple[float, float]]) -> None:
    found = trend(samples)
    assert math.isinf(found.error)
    assert not found.is_growth


def test_independent_noise_has_the_error_of_the_textbook() -> None:
    chance = random.Random(7)
    slopes = [trend([(float(x), chance.gauss(0.0, 3.0)) for x in range(200)]) for _ in range(200)]
    spread = math.sqrt(sum(one.slope**2 for one in slopes) / len(slopes))
    mean = sum(one.error for one in slopes) / len(slopes)
    assert 0.85 < mean / spread < 1.25


def test_growth_is_seen_through_noise() -> None:
    chance = random.Random(7)
    assert trend([(2.0 * x, 0.05 * x + chance.gauss(0.0, 3.0)) for x in range(900)]).is_growth


def test_the_memory_of_a_process_widens_the_error() -> None:
    """Samples that follow the one before are no more than a few independent ones."""
    chance = random.Random(7)
    found = []
    for _ in range(100):
        level, samples = 0.0, []
        for x in range(400):
            level = 0.95 * level + chance.gauss(0.0, 1.0)
            samples.append((float(x), level))
        found.append(trend(samples))
    # By the textbook's error, more than half of these would grow.
    assert sum(one.is_growth for one in found) < 15


def test_the_last_half_is_that_of_the_time() -> None:
    samples = [(float(x), 0.0) for x in (0, 1, 2, 3, 10, 11, 20)]
    assert [x for x, _ in last_half(samples)] == [10.0, 11.0, 20.0]
    assert last_half([]) == []


def test_a_trend_is_written_with_its_error() -> None:
    assert str(Trend(3.14159, 10.0)) == "+3.1 ± 10.0"
