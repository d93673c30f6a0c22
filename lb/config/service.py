"""The table [service]: the settings of the guardian itself, as a frozen value validated on construction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import islice

from ..errors import FarmError, joined
from .mark_layout import MIN_BITS, PAIR_MASK
from .schema import Reader, build, duration, integer, read_each, text_of

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")
_MAX_WORDS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The contents of the table [service].

    hook is the command that gets every event, as a list of words; hook_timeout is in seconds. metrics is the address on
    which metrics are served, such as "127.0.0.1:9190", or "" for none. marks are the bits of conntrack marks that the
    farms have for themselves, None for a default layout.
    """

    hook: tuple[str, ...] = ()
    hook_timeout: float = 10.0
    metrics: str = ""
    marks: int | None = None

    def __post_init__(self) -> None:
        if errors := [*self._errors()]:
            raise joined(errors)

    def _errors(self) -> Iterator[FarmError]:
        if len(self.hook) > _MAX_WORDS:
            yield FarmError("hook", f"must be at most {_MAX_WORDS} words")
        if self.hook and not self.hook[0]:
            yield FarmError("hook", "must begin with a program")
        if any("\0" in word for word in self.hook):
            yield FarmError("hook", "must not hold NUL")
        if not 0 < self.hook_timeout <= 3600:
            yield FarmError("hook-timeout", f"must be more than 0 and at most 1h, not {self.hook_timeout:g}s")
        if self.marks is not None:
            yield from islice(_mark_errors(self.marks), 1)
        if self.metrics.startswith("sync:"):
            yield FarmError("metrics", 'can no longer be "sync": write an address, such as "0.0.0.0:9190"')
        elif self.metrics and _endpoint(self.metrics) is None:
            wanted = 'must be an address and a port, like "127.0.0.1:9190" or "[::1]:9190"'
            yield FarmError("metrics", f"{wanted}, not {self.metrics[:60]!r}")

    @property
    def endpoint(self) -> tuple[str, int] | None:
        """The address and the port of the metrics, None without metrics."""
        return _endpoint(self.metrics)


def _mark_errors(marks: int) -> Iterator[FarmError]:
    shown, count = f"{marks:#x}"[:40], marks.bit_count()
    if not 0 < marks <= 0xFFFF_FFFF:
        yield FarmError("marks", f"must be bits of 32, such as 0x9fff0000, not {shown}")
    if marks & PAIR_MASK:
        yield FarmError("marks", f"must not hold the bits {PAIR_MASK:#x}, which are those of a pair, and {shown} does")
    if count < MIN_BITS:
        yield FarmError("marks", f"must be at least {MIN_BITS} bits, and {shown} is {count}")


def _endpoint(text: str) -> tuple[str, int] | None:
    found = _ADDRESS.fullmatch(text)
    if found is None or not 1 <= int(found[3]) <= 65535:
        return None
    try:
        return str(ip_address(found[1] or found[2])), int(found[3])
    except ValueError:
        return None


def settings_of(value: object) -> Settings:
    """Reads the table [service] as tomllib returns it; FarmError."""
    return build(Settings, _SERVICE, {}, value, "service")


def _argv(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise FarmError(path, 'must be a list of words like ["/usr/local/bin/tell", "--now"]: there is no shell')
    return read_each(text_of, value, path)


_SERVICE: dict[str, Reader] = {"hook": _argv, "hook-timeout": duration, "metrics": text_of, "marks": integer}
