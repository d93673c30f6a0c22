"""What a monitoring server knows about a service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

Key = tuple[str, str]
"""The names of a host and of a service on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The newest result of a service; state is 0..3, hard tells whether its attempts are used up.

    long_output has line ends; perfdata is what stood behind the bar, unchanged by Nagios and put together again from
    Icinga's list; time is when the check ended, in seconds, 0 when there was none.
    """

    state: int
    hard: bool
    attempt: int
    output: str
    long_output: str
    perfdata: str
    active: bool
    time: float

    @property
    def is_checked(self) -> bool:
        """Whether there has been a result at all."""
        return self.time > 0


class Monitor(Protocol):
    """A running monitoring server."""

    def services(self) -> dict[Key, Service]: ...


def wait_for_all(monitor: Monitor, names: Iterable[str], *, patience: float = 180.0) -> dict[str, Service]:
    """Asks until each of these services of the host `lab` has a result, and returns them by name."""
    end = time.monotonic() + patience
    while True:
        found = {name: one for (_, name), one in monitor.services().items()}
        missing = [name for name in names if name not in found or not found[name].is_checked]
        if not missing:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"no result of {missing}")
        time.sleep(0.1)


def wait_for(monitor: Monitor, key: Key, condition: Callable[[Service], bool], *, patience: float = 180.0) -> Service:
    """Asks until the service is as wanted and returns it; TimeoutError with what it is instead."""
    end = time.monotonic() + patience
    while True:
        found = monitor.services().get(key)
        if found is not None and condition(found):
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"{key} is not as it should be: {found}")
        time.sleep(0.1)
