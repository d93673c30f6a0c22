"""What the results of probes make of a backend: pure, without clock or I/O."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass

from noidchecks.errors import LocalError, NotConnected
from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.status.text import printable

from ..guard import Guard, OnUnknown, OnWarning
from .schedule import Pace

# This machine refuses with these, by its firewall or for want of something; no peer and no router can.
_OURS = frozenset(
    (
        *(errno.EPERM, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
        *(errno.EADDRNOTAVAIL, errno.EADDRINUSE),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a backend is at one of its addresses, by one command; since is in Unix seconds.

    state is unknown, up or down. note says what keeps it doubtful: the last WARNING, or what contradicts the state.
    streak counts the results in a row that contradict it, flaps the changes since the first result. weight is its share
    in percent of the configured one, None while that is 100. kept says why the last probe was no verdict, else "".
    """

    farm: str
    backend: str
    address: str
    command: str
    state: str
    note: str
    since: float | None
    last: Result | None
    streak: int
    flaps: int
    probes: int
    weight: int | None
    kept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a result has changed: kind is up, down, note or keep.

    since is when the first result of the streak that decided came; hold is for how many seconds the change could wait
    before its backend had been served longer than one that does not answer at all.
    """

    kind: str
    reason: str
    since: float
    result: Result
    hold: float = 0.0


class RiseFall:
    """A fact that the first answer decides, and that so many contrary answers in a row turn round."""

    __slots__ = ("value", "streak", "streak_since")

    def __init__(self, value: bool | None = None) -> None:
        self.value = value
        self.streak = 0
        self.streak_since = 0.0

    def take(self, answer: bool, *, rise: int, fall: int, now: float) -> bool:
        """Takes one answer and tells whether the value has changed by it."""
        if self.value is answer:
            self.streak = 0
            return False
        self.streak += 1
        if self.streak == 1:
            self.streak_since = now
        if self.value is not None and self.streak < (rise if answer else fall):
            return False
        self.value = answer
        self.streak = 0
        return True


class BackendHealth:
    """One backend of a farm at one address, as one command sees it; times are those of the caller's clock."""

    __slots__ = (
        *("farm", "backend", "version", "address", "command", "guard", "up"),
        *("probes", "flaps", "note", "last", "since", "recovered", "kept", "warned"),
    )

    def __init__(self, farm: str, backend: str, version: int, command: str, guard: Guard, address: str = "") -> None:
        self.farm = farm
        self.backend = backend
        self.version = version
        # As it is printed; the probe itself may be of another one, when its command names no HOST.
        self.address = address
        self.command = command
        self.guard = guard
        self.up = RiseFall()
        self.probes = 0
        self.flaps = 0
        self.note = ""
        self.last: Result | None = None
        # Of the last change; and of the last one from down to up, which slow start counts from.
        self.since: float | None = None
        self.recovered: float | None = None
        # Why the last result was none, "" when it was one; and whether the last that let it serve was a WARNING.
        self.kept = ""
        self.warned = False

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What it is about."""
        return self.farm, self.backend, self.version, self.command

    @property
    def place(self) -> tuple[str, str, int]:
        """Where the backend is: farm, name, IP version."""
        return self.farm, self.backend, self.version

    @property
    def state(self) -> str:
        """unknown, up or down."""
        return "unknown" if self.up.value is None else "up" if self.up.value else "down"

    @property
    def is_doubtful(self) -> bool:
        """Whether results contradict the state, or there is none yet."""
        return self.up.value is None or self.up.streak > 0

    def take(self, result: Result, now: float, excuse: str = "") -> Change | None:
        """Takes a result and returns what it changes; with an excuse of this machine's, a failure is no verdict."""
        self.probes += 1
        self.last = result
        reason = reason_of(result)
        serves = self._weigh(result)
        if excuse and not serves:
            serves, reason = None, f"{excuse}; meanwhile: {reason}"
        was_kept, self.kept = self.kept, reason if serves is None else ""
        if serves is None:
            if was_kept:
                return None
            return Change(kind="keep", reason=f"no verdict: {reason}", since=now, result=result)
        first = self.up.value is None
        began = self.up.streak_since if self.up.streak else now
        if self.up.take(serves, rise=self.guard.rise, fall=self.guard.fall, now=now):
            self.since = now
            self.flaps += not first
            self.recovered = now if serves and not first else None
            self.warned = serves and result.state != State.OK
            self.note = reason if self.warned else ""
            kind = "up" if serves else "down"
            hold = float("inf") if serves else max(0.0, self.guard.timeout - result.timings.total)
            return Change(kind=kind, reason=reason, since=began, result=result, hold=hold)
        again = Change(kind="note", reason="is checked again", since=now, result=result) if was_kept else None
        if not serves:
            self.note = reason if self.up.value else ""
            return again
        return self._heed(result, reason, now) or again

    def adopt(self, other: BackendHealth) -> None:
        """Takes over what another watch of the same probe knows."""
        self.up = RiseFall(other.up.value)
        self.probes, self.flaps, self.note, self.last = other.probes, other.flaps, other.note, other.last
        self.since, self.recovered, self.kept, self.warned = other.since, other.recovered, other.kept, other.warned

    def _heed(self, result: Result, reason: str, now: float) -> Change | None:
        """Notes a warning of a backend that stays up, and its end."""
        if self.up.value is not True:
            return None
        was_warned, self.warned = self.warned, result.state != State.OK
        self.note = reason if self.warned else ""
        if self.warned is not was_warned:
            return Change(kind="note", reason=reason, since=now, result=result)
        return None

    def _weigh(self, result: Result) -> bool | None:
        """Tells whether a result lets the backend serve; None when it is no verdict."""
        if _is_ours(result):
            # This machine could not probe, which takes no backend out.
            return None
        match result.state:
            case State.OK:
                return True
            case State.WARNING:
                return self.guard.on_warning is not OnWarning.DOWN
            case State.UNKNOWN if self.guard.on_unknown is OnUnknown.KEEP:
                return None
        return False


def was_refused(result: Result) -> bool:
    """Tells whether a peer has refused a connection, which it can only when packets come and go."""
    return isinstance(result.failure, NotConnected) and result.failure.code == errno.ECONNREFUSED


def _is_ours(result: Result) -> bool:
    failure = result.failure
    return isinstance(failure, LocalError) or (isinstance(failure, NotConnected) and failure.code in _OURS)


def pace_of(watches: Sequence[BackendHealth]) -> Pace:
    """Returns how fast the probe is wanted that these watch; the most impatient of them decides."""
    doubtful = [watch.guard.fast for watch in watches if watch.is_doubtful]
    serving = [watch.guard for watch in watches if watch.up.value]
    return Pace(
        interval=min(watch.guard.interval for watch in watches),
        fast=min(doubtful, default=None),
        eager=min((guard.fast for guard in serving), default=None),
        most=max((guard.fall for guard in serving), default=1),
    )


def reason_of(result: Result) -> str:
    """Returns the words of a result behind "FTP CRITICAL - "."""
    line = result.text.partition("\n")[0]
    _, dash, words = line.partition(" - ")
    return printable(words if dash else line, 300)
