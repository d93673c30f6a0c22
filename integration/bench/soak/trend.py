"""Whether a figure of a process grows: the slope of its samples, with an error; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Seconds since any beginning, and the figure.
Samples = Sequence[tuple[float, float]]

_HOUR = 3600.0
# A slope that is this many errors above zero is not an accident: one in forty is, of those that are zero.
_SURE = 2.0


@dataclass(frozen=True, slots=True)
class Trend:
    """A slope, in units per hour, and its standard error."""

    slope: float
    error: float

    @property
    def is_growth(self) -> bool:
        """Whether the slope can be told from zero, upwards."""
        return self.slope > _SURE * self.error

    def __str__(self) -> str:
        return f"{self.slope:+.1f} ± {self.error:.1f}"


def last_half(samples: Samples) -> Samples:
    """Returns the samples of the second half of the time."""
    if not samples:
        return samples
    middle = (samples[0][0] + samples[-1][0]) / 2
    return [one for one in samples if one[0] >= middle]


def trend(samples: Samples) -> Trend:
    """Fits a line by least squares; of fewer than three samples the error is infinite.

    A process keeps its memory for a while, so a sample resembles the one before, and n of them say less than n
    independent ones. The usual error is therefore multiplied by sqrt((1 + r) / (1 - r)), where r is the correlation of
    residuals that are neighbours (an autoregression of order 1).
    """
    count = len(samples)
    if count < 3:
        return Trend(0.0, math.inf)
    x_mean = sum(x for x, _ in samples) / count
    y_mean = sum(y for _, y in samples) / count
    spread = sum((x - x_mean) ** 2 for x, _ in samples)
    if not spread:
        return Trend(0.0, math.inf)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in samples) / spread
    residuals = [y - y_mean - slope * (x - x_mean) for x, y in samples]
    squares = sum(one * one for one in residuals)
    # What is left is the rounding of a perfect line.
    if squares <= 1e-18 * sum(y * y for _, y in samples):
        return Trend(slope * _HOUR, 0.0)
    error = math.sqrt(squares / (count - 2) / spread)
    alike = sum(one * other for one, other in pairwise(residuals)) / squares
    # At the limit, all samples together are about as good as two.
    alike = min(max(alike, 0.0), 1 - 2 / count)
    return Trend(slope * _HOUR, error * math.sqrt((1 + alike) / (1 - alike)) * _HOUR)
