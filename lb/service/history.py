"""The last hour of each backend as a ring buffer with a byte for each minute, and the backend's last change."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from noidchecks.status.text import printable

from ..events import Event
from ..guardian.health import Health

MINUTES = 60
# The byte of a minute: UNKNOWN without a result, DOWN if the backend was down at any time in that minute, otherwise the
# logarithm of the longest response time. The greater of two bytes is therefore the worse.
UNKNOWN, DOWN = 0, 255
# The 254 steps of that scale, each 1.066 times the previous one, from 0.1 ms to a quarter of an hour.
_SHORTEST, _RATIO = 1e-4, 1.066
_REASON = 200
BackendKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last change of a backend: its time in Unix seconds, its reason; kind is up or down."""

    time: float
    kind: str
    reason: str


@dataclass(slots=True, eq=False)
class _Track:
    """The ring buffer of one backend; minute is the last one that was written.

    sample is the number of the last sample that contained the backend, for a new track of the last sample; addresses is
    the number of the backend's addresses in it, 0 before the first one; down has the addresses that are down.
    """

    minute: int
    sample: int
    ring: bytearray = field(default_factory=lambda: bytearray(MINUTES))
    change: LastChange | None = None
    addresses: int = 0
    down: tuple[str, ...] = ()

    def note(self, code: int, minute: int) -> None:
        for skipped in range(max(self.minute + 1, minute - MINUTES + 1), minute + 1):
            self.ring[skipped % MINUTES] = UNKNOWN
        self.minute = max(minute, self.minute)
        self.ring[minute % MINUTES] = max(code, self.ring[minute % MINUTES])

    def read(self, minute: int) -> bytes:
        """Returns the bytes of the 60 minutes up to this one, the oldest first."""
        missing = min(max(0, minute - self.minute), MINUTES)
        end = (minute - missing) % MINUTES + 1
        return bytes(self.ring[end:] + self.ring[:end])[missing:] + bytes(missing)


class History:
    """The history of each backend over the last hour; not thread-safe.

    Failures come as events when they happen, response times from samples. 10,000 backends take 5 MiB. As in the
    kernel's table, an address is down when one of its commands reports it down, and a backend when all its addresses
    are down: a backend that has lost only IPv6 still serves.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tracks: dict[BackendKey, _Track] = {}
        self._sample = 0

    @property
    def minute(self) -> int:
        """The number of the current minute."""
        return int(self._clock() // 60)

    def take(self, event: Event) -> None:
        """Records the change of a backend that an event reports, and ignores other events."""
        if event.kind not in ("up", "down") or not event.backend:
            return
        track = self._track((event.farm, event.backend))
        track.change = LastChange(event.time, event.kind, printable(event.reason, _REASON))
        others = tuple(address for address in track.down if address != event.address)
        if event.kind == "up":
            track.down = others
            return
        track.down = (*others, event.address)
        # The number of addresses is unknown before the first sample; that sample will record a backend that is down.
        if len(track.down) == track.addresses:
            track.note(DOWN, self.minute)

    def sample(self, health: Iterable[Health]) -> Iterator[None]:
        """Records the current state of all backends, one value of health per step, and drops all others.

        The values of one backend must be consecutive.
        """
        self._sample += 1
        for key, ones in groupby(health, key_of):
            codes: dict[str, int] = {}
            for one in ones:
                codes[one.address] = _worse(_code_now(one), codes.get(one.address, 1))
                yield
            self._note(key, codes)
        # Numbers instead of a set of seen backends: the garbage collector would take milliseconds for 10,000 places.
        for key in [key for key, track in self._tracks.items() if track.sample < self._sample]:
            del self._tracks[key]

    def last_hour(self, farm: str, backend: str) -> bytes:
        """Returns a byte for each of the last 60 minutes, the oldest first."""
        track = self._tracks.get((farm, backend))
        return bytes(MINUTES) if track is None else track.read(self.minute)

    def last_change(self, farm: str, backend: str) -> LastChange | None:
        """Returns the last change of a backend, None if it has not changed since the history began."""
        track = self._tracks.get((farm, backend))
        return track.change if track is not None else None

    def _note(self, key: BackendKey, codes: dict[str, int]) -> None:
        """Records the state of a backend, from the byte of each of its addresses."""
        up = [code for code in codes.values() if UNKNOWN < code < DOWN]
        code = max(up) if up else min(codes.values())
        track = self._track(key) if code != UNKNOWN else self._tracks.get(key)
        if track is None:
            return
        track.sample = self._sample
        track.addresses = len(codes)
        track.down = tuple(address for address, each in codes.items() if each == DOWN)
        if code != UNKNOWN:
            track.note(code, self.minute)

    def _track(self, key: BackendKey) -> _Track:
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = _Track(self.minute, self._sample)
        return track


def key_of(one: Health) -> BackendKey:
    """Returns the names of farm and backend."""
    return one.farm, one.backend


def _code_now(one: Health) -> int:
    if one.state == "unknown":
        return UNKNOWN
    if one.state == "down":
        return DOWN
    return code_of(one.last.timings.total if one.last is not None else 0.0)


def _worse(code: int, other: int) -> int:
    """Combines the bytes of two commands of an address: DOWN wins, then UNKNOWN, then the longer response time."""
    return UNKNOWN if UNKNOWN in (code, other) and DOWN not in (code, other) else max(code, other)


def code_of(seconds: float) -> int:
    """Returns the byte of a minute in which a backend was up and this was the longest response time."""
    if seconds <= _SHORTEST:
        return 1
    return min(DOWN - 1, 1 + round(math.log(seconds / _SHORTEST, _RATIO)))


def seconds_of(code: int) -> float:
    """Returns the response time that a byte other than UNKNOWN and DOWN stands for, within 4 percent."""
    return _SHORTEST * float(_RATIO ** (code - 1))


# Translate each byte to 0 or 1, so that the minutes of many backends can be added.
_IS_UP = bytes(int(UNKNOWN < code < DOWN) for code in range(256))
_IS_KNOWN = bytes(int(code != UNKNOWN) for code in range(256))


def up_and_known(hours: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Returns for each minute the number of backends that were up and of those with a result, of at most 255 backends.

    The 60 bytes of an hour are one large integer, so that one addition adds all minutes of a backend.
    """
    up = known = 0
    for hour in hours:
        up += int.from_bytes(hour.translate(_IS_UP), "big")
        known += int.from_bytes(hour.translate(_IS_KNOWN), "big")
    return zip(up.to_bytes(MINUTES, "big"), known.to_bytes(MINUTES, "big"), strict=True)
