"""An actuator under the eyes of the service manager: one can tell whether it hangs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lb.actuator import Applied
from lb.enactor import Acts, descriptor_of
from lb.farm import Farm
from lb.listing import Snapshot
from lb.ruleset import Conditions


class Watched:
    """An actuator of which one can tell whether it hangs."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._since: float | None = None

    def busy(self) -> float:
        """Returns for how many seconds it has been at one and the same thing."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def read(self) -> Snapshot | None:
        with self._timed():
            return self._acts.read()

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> Applied:
        with self._timed():
            return self._acts.apply(farms, conditions, stopped)

    def is_disturbed(self) -> bool:
        with self._timed():
            return self._acts.is_disturbed()

    def fileno(self) -> int:
        return descriptor_of(self._acts)

    def close(self) -> None:
        with self._timed():
            self._acts.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None
