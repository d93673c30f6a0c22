"""The guardian at work: probes that run when they are due, and what their results change."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from lb import conntrack, lock
from lb.actuator import Actuator
from lb.enactor import Acts, Count, Enactor
from lb.events import Event, EventLog
from lb.farm import Farm
from lb.guardian import Change, Health, Watch
from lb.outlook import Knowledge
from lb.probing import Prober
from lb.schedule import Schedule
from lb.target import Target, Targets
from lb.words import Words
from noidchecks.status.result import Result

# Starts between two looks at what else there is to do: more of them would report our own queue as response time.
_BURST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a guardian has done so far; running are the probes at the moment, latest the latest start in seconds."""

    transactions: int = 0
    failed_transactions: int = 0
    flips: int = 0
    targets: int = 0
    started: int = 0
    running: int = 0
    overdue: int = 0
    latest: float = 0.0


class Guardian:
    """Watches the backends of farms and keeps the kernel's table as their health and the operator want it.

    It belongs to the loop that run() runs on. Without an actuator it changes the kernel of this network namespace, and
    is the only guardian that does. What happens is told to those who subscribe to its events. count is what counts
    connections for farms that go by them.
    """

    def __init__(
        self,
        farms: tuple[Farm, ...],
        words: Words | None = None,
        *,
        actuator: Acts | None = None,
        events: EventLog | None = None,
        count: Count = conntrack.count,
    ) -> None:
        self.events = events or EventLog()
        self._farms, self._words = farms, words or Words()
        self._is_alone = actuator is None
        self._enactor = Enactor(farms, self._words, actuator=actuator or Actuator(), events=self.events, count=count)
        self._targets = Targets()
        self._schedule: Schedule[Target] = Schedule()
        self._prober: Prober | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flips = self._started = self._running = 0

    @property
    def counts(self) -> Counts:
        """What it has done so far."""
        return Counts(
            transactions=self._enactor.transactions,
            failed_transactions=self._enactor.failed,
            flips=self._flips,
            targets=len(self._targets),
            started=self._started,
            running=self._running,
            overdue=self._schedule.overdue,
            latest=self._schedule.latest,
        )

    async def run(self) -> None:
        """Watches until it is cancelled; the table stays as it is then. GuardError when it has another guardian."""
        with ExitStack() as stack:
            if self._is_alone:
                stack.enter_context(lock.take())
            self._loop = asyncio.get_running_loop()
            self._prober = Prober()
            try:
                self.configure(self._farms, self._words)
                await self._enactor.run()
            finally:
                prober, self._prober = self._prober, None
                if self._timer is not None:
                    self._timer.cancel()
                await prober.close()

    def configure(self, farms: tuple[Farm, ...], words: Words | None = None) -> None:
        """Goes on with other farms or words; what is known of a command at an address stays known."""
        self._farms, self._words = farms, words if words is not None else self._words
        if self._loop is None:
            # Not running yet: run() comes back here.
            return
        for target in self._targets.configure(farms, self._loop.time()):
            self._schedule.put(target, None)
        for target in self._targets:
            self._schedule.put(target, target.rhythm.due(target.pace))
        self._enactor.configure(farms, self._words, self._targets.places)
        self._arm()

    def health(self) -> tuple[Health, ...]:
        """Returns how each backend is at each address by each command."""
        return tuple(self._health(target, watch) for target in self._targets for watch in target.watches)

    def knowledge(self) -> Knowledge:
        """Returns what decides how it would have the farms served, or others."""
        return Knowledge(self._words, self._targets.watches, self._enactor.standing(), self._enactor.shares)

    async def settle(self) -> None:
        """Waits until what is decided so far is in the kernel, or could not be brought there."""
        if self._loop is not None:
            await self._enactor.settle()

    def _arm(self) -> None:
        """Sets the timer for the next start."""
        loop, due = self._running_loop(), self._schedule.next()
        if self._timer is not None:
            if due is not None and self._timer.when() <= due and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._running_loop().time()
        for _ in range(_BURST):
            target = self._schedule.take(now)
            if target is None:
                break
            self._start(target, now)
        self._arm()

    def _start(self, target: Target, now: float) -> None:
        if self._prober is None:
            return
        pace = target.pace
        target.rhythm.started(now, pace)
        self._started += 1
        self._running += 1
        # Only of what may take a backend out, for it costs time.
        transcript = pace.fast is not None or target.rhythm.running > 1 or target.is_decisive
        self._prober.start(target.check, partial(self._finished, target), transcript=transcript)
        self._schedule.put(target, target.rhythm.due(pace))

    def _finished(self, target: Target, result: Result) -> None:
        now = self._running_loop().time()
        self._running -= 1
        target.rhythm.finished(now)
        if not target.watches:
            return
        for watch, change in target.take(result, now):
            self._note(watch, change, now)
        self._schedule.put(target, target.rhythm.due(target.pace))
        self._arm()

    def _note(self, watch: Watch, change: Change, now: float) -> None:
        wall = time.time()
        self._flips += change.kind in ("up", "down")
        if change.kind in ("up", "down", "weight", "keep"):
            self._enactor.want({watch.farm}, now + change.hold)
        self.events.add(
            Event(
                time=wall,
                kind=change.kind,
                farm=watch.farm,
                backend=watch.backend,
                address=watch.address,
                reason=change.reason,
                probe=watch.command,
                since=wall - (now - change.since),
                transcript=change.result.transcript if change.kind == "down" else (),
            )
        )

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the guardian is not running")
        return self._loop

    def _health(self, target: Target, watch: Watch) -> Health:
        since = None
        if watch.since is not None and self._loop is not None:
            since = time.time() - (self._loop.time() - watch.since)
        return Health(
            farm=watch.farm,
            backend=watch.backend,
            address=watch.address,
            command=watch.command,
            state=watch.state,
            note=watch.note,
            since=since,
            last=watch.last,
            streak=watch.up.streak,
            flaps=watch.flaps,
            probes=watch.probes,
            weight=self._enactor.share(watch.farm, watch.backend),
            kept=watch.kept,
        )
