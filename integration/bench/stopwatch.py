"""Timing blocks and programs, in milliseconds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def timed(times: list[float]) -> Iterator[None]:
    """Adds how long the block took."""
    begin = time.perf_counter()
    yield
    times.append(1000 * (time.perf_counter() - begin))


def timed_run(times: list[float], *argv: str | Path) -> str:
    """Runs a program in the namespace of this thread, adds how long it took, and returns what it printed."""
    with timed(times):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
