"""An applier under the eyes of the service manager: one can tell whether it hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..farm import Conditions, Farm
from ..nft.listing import Snapshot
from ..nft.progress import last_look
from .applier import ApplyResult
from .reconciler import Applier, descriptor_of

# A thread that only waits uses microseconds.
_COMPUTING = 0.05


class Watched:
    """An applier of which one can tell whether it hangs."""

    def __init__(self, acts: Applier) -> None:
        self._acts = acts
        self._since: float | None = None
        self._thread = 0
        self._used = self._seen_at_work = 0.0

    @property
    def is_under_way(self) -> bool:
        """Whether it is at something at the moment."""
        return self._since is not None

    def busy(self) -> float:
        """Returns for how many seconds its thread has done nothing, though it is at something.

        A thread that waits for nft looks whether that is at work, and gives it up when it hangs; one that neither looks
        nor uses the processor waits for something that will not come.
        """
        since = self._since
        if since is None:
            return 0.0
        used = time.clock_gettime(time.pthread_getcpuclockid(self._thread))
        now = time.monotonic()
        if used - self._used > _COMPUTING:
            self._used, self._seen_at_work = used, now
        return now - max(since, self._seen_at_work, last_look())

    def read(self) -> Snapshot | None:
        with self._timed():
            return self._acts.read()

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
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
        self._thread = threading.get_ident()
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None
