"""Derives the health of a backend from the results of its checks (rise and fall): pure, without clock or I/O.

The first verdict decides at once. From then on a backend goes down after `fall` failures in a row and up after `rise`
successes in a row; a single result that agrees with the state ends the streak:

    fall = 3, rise = 2     result   +   -   -   +   -   -   -     -     +     +
                           state    up  up  up  up  up  up  down  down  down  up

While a streak lasts, or before the first verdict, the backend is doubtful, and its checks run at the fast interval, so
that a failure is confirmed within fall * fast-interval rather than fall * interval.

Not every result is a verdict. UNKNOWN with on-unknown = "keep", and any failure of this machine (no descriptors, its
own firewall, a missing program), change neither state nor streak.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from noidchecks.errors import LocalError, NotConnected, PeerError
from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.status.text import printable
from noidchecks.timings import Timings

from ..guard import Guard, OnUnknown, OnWarning
from .schedule import Pace

# Errors that only this machine causes, by its routes and firewall or for want of resources. For an EACCES that comes by
# ICMPv6 the code is EHOSTUNREACH (noidchecks/drivers/sockets.py).
_OURS = frozenset((errno.EPERM, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_OURS |= {errno.EADDRNOTAVAIL, errno.EADDRINUSE}
# What the peer does with a connection that it has accepted: a reset, or its end (0).
_CLOSED = frozenset((0, errno.ECONNRESET, errno.EPIPE))
_REFUSED = os.strerror(errno.ECONNREFUSED)
# Seconds after which TCP first retransmits a packet.
_RESENT = 1.0

# Farm, backend, IP version and command.
WatchKey = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class LastResult:
    """What is kept of the last result of a check."""

    state: State
    text: str
    timings: Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of a backend at one address by one command, which has no passwords; since is in Unix seconds.

    state is unknown, up or down. note is the text of a WARNING of a backend that serves, or of the failure that
    contradicts the state. streak is the number of contradicting results in a row, flaps the number of changes since the
    first verdict. kept says why the last result was no verdict, else "".
    """

    farm: str
    backend: str
    address: str
    command: str
    state: str
    note: str
    since: float | None
    last: LastResult | None
    streak: int
    flaps: int
    probes: int
    kept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The effect of a result: kind is up, down, note (a text changed) or keep (no verdict).

    since is the time of the first result of the deciding streak. hold is the number of seconds by which applying the
    change may be delayed: a backend that fails fast may stay in service as long as one that fails by time-out.
    """

    kind: str
    reason: str
    since: float
    result: Result
    hold: float = 0.0


@dataclass(slots=True)
class RiseFall:
    """A boolean set by the first answer and changed by rise or fall contrary answers in a row."""

    value: bool | None = None
    streak: int = 0
    streak_since: float = 0.0

    def take(self, answer: bool, *, rise: int, fall: int, now: float) -> bool:
        """Takes one answer and returns whether it changed the value."""
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


@dataclass(slots=True, eq=False)
class BackendHealth:
    """The health of one backend of a farm at one address by one command; times are those of the caller's clock.

    address is for display: a command without HOST may check another one. since is the time of the last change,
    recovered that of the last one from down to up, from which slow start counts. kept says why the last result was no
    verdict, else ""; warned, whether the last success was a WARNING.
    """

    farm: str
    backend: str
    version: int
    command: str
    guard: Guard
    address: str = ""
    up: RiseFall = field(default_factory=RiseFall)
    probes: int = 0
    flaps: int = 0
    note: str = ""
    since: float | None = None
    recovered: float | None = None
    kept: str = ""
    warned: bool = False
    # The last result, as values that Python's garbage collector does not traverse: with the ten objects of a Result
    # for each of 10,000 backends, it would stop the loop for some 50 ms.
    _state: State | None = None
    _text: str = ""
    _seconds: float = 0.0
    _phases: dict[str, float] = field(default_factory=dict)

    @property
    def key(self) -> WatchKey:
        """Identity: farm, backend, IP version, command."""
        return self.farm, self.backend, self.version, self.command

    @property
    def place(self) -> tuple[str, str, int]:
        """Farm, backend and IP version."""
        return self.farm, self.backend, self.version

    @property
    def state(self) -> str:
        """unknown, up or down."""
        return "unknown" if self.up.value is None else "up" if self.up.value else "down"

    @property
    def last(self) -> LastResult | None:
        """The last result, None before the first one."""
        if self._state is None:
            return None
        return LastResult(self._state, self._text, Timings(self._seconds, self._phases))

    @property
    def is_doubtful(self) -> bool:
        """Whether the last results contradict the state, or no verdict exists yet."""
        return self.up.value is None or self.up.streak > 0

    def take(self, result: Result, now: float, excuse: str = "") -> Change | None:
        """Takes a result and returns what it changes; excuse, when not "", says why a failure is no verdict."""
        self.probes += 1
        self._state, self._text = result.state, result.text
        self._seconds, self._phases = result.timings.total, result.timings.phases
        serves = self._weigh(result)
        if serves and self.up.value and result.state == State.OK and not self.kept and not self.warned:
            # Most results by far: the backend serves, and still does.
            self.up.streak = 0
            self.note = ""
            return None
        reason = reason_of(result)
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
        """Copies the knowledge of another BackendHealth with the same check, its streak only for the same backend."""
        doubts = other.up if other.key == self.key else RiseFall()
        self.up = RiseFall(other.up.value, doubts.streak, doubts.streak_since)
        self.probes, self.flaps, self.note = other.probes, other.flaps, other.note
        self._state, self._text, self._seconds, self._phases = other._state, other._text, other._seconds, other._phases
        self.since, self.recovered, self.kept, self.warned = other.since, other.recovered, other.kept, other.warned

    def _heed(self, result: Result, reason: str, now: float) -> Change | None:
        """Records the begin and end of a WARNING of a backend that stays up."""
        if self.up.value is not True:
            return None
        was_warned, self.warned = self.warned, result.state != State.OK
        self.note = reason if self.warned else ""
        if self.warned is not was_warned:
            return Change(kind="note", reason=reason, since=now, result=result)
        return None

    def _weigh(self, result: Result) -> bool | None:
        """Returns whether a result is a success; None when it is no verdict."""
        if _is_ours(result):
            # A failure of this machine takes no backend out.
            return None
        match result.state:
            case State.OK:
                return True
            case State.WARNING:
                return self.guard.on_warning is not OnWarning.DOWN
            case State.UNKNOWN if self.guard.on_unknown is OnUnknown.KEEP:
                return None
        return False


def has_answered(result: Result) -> bool:
    """Returns whether the peer answered the failed check, which proves that packets pass in both directions.

    A check that opens a data connection has two flows, and its answer may be about the other one. An answer without a
    failure that takes a second may be CRITICAL only because it is slow, after a packet was lost and retransmitted.
    """
    failure = result.failure
    if isinstance(failure, NotConnected) and failure.code == errno.ECONNREFUSED:
        return True
    if failure is None and not result.timings.phases:
        # For a plugin that runs as a process, only its text is known.
        return _REFUSED in result.text
    if "data" in result.timings.phases:
        return False
    if failure is None:
        return result.timings.total < _RESENT
    return isinstance(failure, PeerError) or (isinstance(failure, NotConnected) and failure.code in _CLOSED)


def _is_ours(result: Result) -> bool:
    failure = result.failure
    return isinstance(failure, LocalError) or (isinstance(failure, NotConnected) and failure.code in _OURS)


def pace_of(watches: Sequence[BackendHealth]) -> Pace:
    """Returns the pace of a check from the farms that share it: the shortest interval wins."""
    doubtful = [watch.guard.fast for watch in watches if watch.is_doubtful]
    serving = [watch.guard for watch in watches if watch.up.value]
    return Pace(
        interval=min(watch.guard.interval for watch in watches),
        fast=min(doubtful, default=None),
        eager=min((guard.fast for guard in serving), default=None),
        most=max((guard.fall for guard in serving), default=1),
    )


def reason_of(result: Result) -> str:
    """Returns the text of a result without its prefix, such as "FTP CRITICAL - "."""
    line = result.text.partition("\n")[0]
    _, dash, words = line.partition(" - ")
    return printable(words if dash else line, 300)
