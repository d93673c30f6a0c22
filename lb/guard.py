"""The settings by which the backends of a farm are checked: frozen values, validated on construction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from .errors import FarmError, joined

_TOKEN = re.compile(r"\b(HOST|PORT)\b(:?)", re.ASCII)
_LONGEST = 86400
MAX_COMMANDS = 16


# Hundreds of farms share one command, and shlex is slow.
@lru_cache(maxsize=64)
def words_of(command: str) -> list[str]:
    """Splits a command as a shell does; ValueError."""
    # Imported here because not every farms file has a command.
    import shlex

    return shlex.split(command)


class OnWarning(Enum):
    """The state that a WARNING gives to a backend."""

    UP = "up"
    DOWN = "down"


class OnUnknown(Enum):
    """The state that an UNKNOWN gives to a backend; with keep, it is ignored."""

    DOWN = "down"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """How the guardian checks the backends of a farm; times are in seconds, intervals from start to start of a probe.

    All commands must succeed; () stands for the default command of the farm's protocol. fast_interval applies while a
    result contradicts the state (None: a second, or the interval if that is shorter). min_backends is the number of
    backends of a farm that stay in service even if they fail. shared_check allows a command without HOST, whose one
    result counts for all backends.
    """

    commands: tuple[str, ...] = ()
    interval: float = 10.0
    fast_interval: float | None = None
    timeout: float = 5.0
    rise: int = 2
    fall: int = 3
    on_warning: OnWarning = OnWarning.UP
    on_unknown: OnUnknown = OnUnknown.DOWN
    cut_connections: bool = False
    slow_start: float = 0.0
    min_backends: int = 0
    shared_check: bool = False

    def __post_init__(self) -> None:
        if errors := [*self._errors()]:
            raise joined(errors)

    def _errors(self) -> Iterator[FarmError]:
        if len(self.commands) > MAX_COMMANDS:
            yield FarmError("commands", f"must be at most {MAX_COMMANDS}")
        for number, command in enumerate(self.commands):
            where = "command" if len(self.commands) == 1 else f"commands[{number}]"
            if not command.strip():
                yield FarmError(where, "must not be empty")
            if self.commands.index(command) != number:
                # Imported here because hardly any file has this error.
                from noidchecks.plugin.redact import redacted

                yield FarmError(where, f"must not be {redacted(command)[:60]!r} twice")
        for path, value in (("interval", self.interval), ("fast-interval", self.fast_interval)):
            if value is not None and not 0 < value <= _LONGEST:
                yield FarmError(path, f"must be more than 0 and at most 1d, not {value:g}s")
        if self.fast_interval is not None and not self.fast_interval <= self.interval:
            limit = f"must be at most the interval, {self.interval:g}s, not {self.fast_interval:g}s"
            yield FarmError("fast-interval", limit)
        if not 0 < self.timeout <= 3600:
            yield FarmError("timeout", f"must be more than 0 and at most 1h, not {self.timeout:g}s")
        for path, number in (("rise", self.rise), ("fall", self.fall)):
            if not 1 <= number <= 100:
                yield FarmError(path, f"must be 1 to 100, not {number}")
        if not 0 <= self.slow_start <= 3600:
            yield FarmError("slow-start", f"must be at most 1h, not {self.slow_start:g}s")
        if not 0 <= self.min_backends <= 255:
            yield FarmError("min-backends", f"must be 0 to 255, not {self.min_backends}")

    @property
    def fast(self) -> float:
        """The seconds between the starts of probes while a result contradicts the state."""
        return min(1.0, self.interval) if self.fast_interval is None else self.fast_interval


def fill_in(command: str, host: str, port: int) -> tuple[str, ...]:
    """Returns the words of a command with HOST and PORT replaced where they are not part of a longer word.

    An IPv6 address gets brackets if a colon follows it.
    """
    return tuple(_TOKEN.sub(lambda found: _token(found, host, port), word) for word in words_of(command))


def _token(found: re.Match[str], host: str, port: int) -> str:
    colon = found[2]
    if found[1] == "PORT":
        return f"{port}{colon}"
    return f"[{host}]{colon}" if colon and ":" in host else f"{host}{colon}"
