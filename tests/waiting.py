"""Waiting for what happens by itself, and tells nobody."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], object], patience: float = 10.0, told: Callable[[], object] = lambda: "") -> None:
    """Returns when it holds; AssertionError, with what is told then, when it does not within so many seconds."""
    limit = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < limit, told()
        time.sleep(0.002)
