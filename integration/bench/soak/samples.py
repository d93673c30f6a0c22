"""What processes hold, looked at every few seconds: memory, descriptors, threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from integration.bench.soak.trend import Trend, last_half, trend
from integration.repeating import repeating

EVERY = 2.0
FIGURES = ("RSS KiB", "descriptors", "threads")
_PAGE = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(slots=True)
class Life:
    """The samples of one process, by figure: times and values."""

    name: str
    pid: int
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {name: [] for name in FIGURES})

    @property
    def seconds(self) -> float:
        """How long it was looked at."""
        taken = self.samples[FIGURES[0]]
        return taken[-1][0] - taken[0][0] if taken else 0.0

    def look(self, now: float) -> None:
        """Takes one sample, if the process is there."""
        folder = Path("/proc", str(self.pid))
        try:
            memory = int((folder / "statm").read_text().split()[1]) * _PAGE
            found = memory, len(os.listdir(folder / "fd")), len(os.listdir(folder / "task"))
        except (OSError, IndexError):
            return
        for name, value in zip(FIGURES, found, strict=True):
            self.samples[name].append((now, float(value)))

    def trend(self, figure: str) -> Trend:
        """The trend over the last half of its life."""
        return trend(last_half(self.samples[figure]))


class Sampler:
    """All lives that were looked at; a process that another one replaces under its name begins a new life."""

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = pids
        self.lives: list[Life] = []

    def look(self) -> None:
        """Takes a sample of each process."""
        now = time.monotonic()
        for name, pid in self._pids().items():
            life = next((one for one in self.lives if one.name == name and one.pid == pid), None)
            if life is None:
                life = Life(name, pid)
                self.lives.append(life)
            life.look(now)

    def longest(self, name: str) -> Life | None:
        """Returns the longest life of a name."""
        return max((one for one in self.lives if one.name == name), key=lambda one: one.seconds, default=None)


@contextmanager
def sampling(pids: Callable[[], Mapping[str, int]]) -> Iterator[Sampler]:
    """Looks at processes, whose ids by name are asked for each time, until the block ends."""
    sampler = Sampler(pids)
    with repeating(sampler.look, EVERY):
        yield sampler
