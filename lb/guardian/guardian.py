"""The guardian at work: probes that run when they are due, and what their results change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from noidchecks.status.result import Result
from noidchecks.status.state import State

from ..config.load import Configuration
from ..events import Event, EventLog
from ..farm import Farm
from ..nft import conntrack
from ..overrides import Overrides
from . import lock
from .applier import NftApplier
from .checks import CheckRunner
from .flow_table import FlowTable
from .forecast import Forecast, forecast
from .health import BackendHealth, Change, Health, was_refused
from .pulse import PERIOD, Pulse
from .reconciler import Applier, Count, Reconciler
from .schedule import Schedule
from .targets import Target, Targets
from .worker import Worker

# Starts between two looks at what else there is to do: more of them would report our own queue as response time.
_BURST = 8
# A probe that failed is repeated when so much of its deadline is missing, and at least so many seconds; but not for
# ever, for a machine that is always late must find out dead backends too.
_LOST_SHARE, _LOST_MOST = 0.2, 1.0
_REPEATS = 5
# A pause of so many seconds is told; the table of connections is looked at every so many.
_TOLD_PAUSE = 1.0
_TABLE_EVERY = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a guardian has done so far; running are the probes at the moment, latest the latest start in seconds.

    discarded counts the failures that were no verdict because of this machine. flows and flows_most are the kernel's
    connections and their limit, None where it tells neither; is_full says that the limit is reached.
    """

    transactions: int = 0
    failed_transactions: int = 0
    flips: int = 0
    targets: int = 0
    started: int = 0
    running: int = 0
    overdue: int = 0
    latest: float = 0.0
    discarded: int = 0
    flows: int | None = None
    flows_most: int | None = None
    is_full: bool = False


class Guardian:
    """Watches the backends of farms and keeps the kernel's table as their health and the operator want it.

    It belongs to the loop that run() runs on. Without an applier it changes the kernel of this network namespace, and
    is the only guardian that does. What happens is told to those who subscribe to its events. count is what counts
    connections for farms that go by them.
    """

    def __init__(
        self,
        farms: Configuration | tuple[Farm, ...],
        words: Overrides | None = None,
        *,
        applier: Applier | None = None,
        events: EventLog | None = None,
        count: Count = conntrack.count,
        flow_table: FlowTable | None = None,
    ) -> None:
        self.events = events or EventLog()
        self._farms, self._words = _farms_of(farms), words or Overrides()
        self._is_alone = applier is None
        self._reconciler = Reconciler(
            self._farms, self._words, applier=applier or NftApplier(), events=self.events, count=count
        )
        self._targets = Targets()
        self._schedule: Schedule[Target] = Schedule()
        self._checks: CheckRunner | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flips = self._started = self._running = self._discarded = 0
        self._pulse = Pulse(0.0)
        self._flow_table = flow_table or FlowTable()
        self._looked = float("-inf")
        self._is_full = False

    @property
    def counts(self) -> Counts:
        """What it has done so far."""
        return Counts(
            transactions=self._reconciler.transactions,
            failed_transactions=self._reconciler.failed,
            flips=self._flips,
            targets=len(self._targets),
            started=self._started,
            running=self._running,
            overdue=self._schedule.overdue,
            latest=self._schedule.latest,
            discarded=self._discarded,
            flows=self._flow_table.used,
            flows_most=self._flow_table.most,
            is_full=self._is_full,
        )

    async def run(self) -> None:
        """Watches until it is cancelled; the table stays as it is then. GuardError when it has another guardian."""
        with ExitStack() as stack:
            if self._is_alone:
                stack.enter_context(lock.take())
            self._loop = asyncio.get_running_loop()
            self._checks = CheckRunner()
            self._pulse = Pulse(self._loop.time())
            beating = self._loop.create_task(self._beat())
            try:
                self.configure(self._farms, self._words)
                await self._reconciler.run()
            finally:
                beating.cancel()
                checks, self._checks = self._checks, None
                if self._timer is not None:
                    self._timer.cancel()
                await checks.close()

    def configure(self, farms: Configuration | tuple[Farm, ...], words: Overrides | None = None) -> None:
        """Goes on with other farms or words; what is known of a command at an address stays known."""
        self._farms = farms = _farms_of(farms)
        self._words = words if words is not None else self._words
        if self._loop is None:
            # Not running yet: run() comes back here.
            return
        for target in self._targets.configure(farms, self._loop.time()):
            self._schedule.put(target, None)
        for target in self._targets:
            self._schedule.put(target, target.rhythm.due(target.pace))
        self._reconciler.configure(farms, self._words, self._targets.places)
        self._arm()

    def health(self) -> tuple[Health, ...]:
        """Returns how each backend is at each address by each command."""
        return tuple(self.each_health())

    def each_health(self, farm: str | None = None) -> Iterator[Health]:
        """Yields the same one by one, of all farms or of one; those that are watched now, as they are then."""
        watched = [(target, target.watches) for target in self._targets]
        return (
            self._health(target, watch)
            for target, watches in watched
            for watch in watches
            if farm is None or watch.farm == farm
        )

    def forecast(self, farms: tuple[Farm, ...]) -> Forecast:
        """Returns what it would make of these farms, with all that it knows at the moment."""
        known, now = self._reconciler, self._running_loop().time()
        return forecast(farms, self._words, self._targets.watches, known.standing(), known.shares, now)

    @property
    def worker(self) -> Worker:
        """The thread that changes the kernel."""
        return self._reconciler.worker

    @property
    def failure(self) -> str:
        """Why the kernel has refused the last change; "" when it has not."""
        return str(self._reconciler.failure or "")

    async def settle(self) -> None:
        """Waits until what is decided so far is in the kernel; KernelError when it refuses, and is tried again."""
        if self._loop is not None:
            await self._reconciler.settle()

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
        if self._checks is None:
            return
        pace = target.pace
        target.rhythm.started(now, pace)
        self._started += 1
        self._running += 1
        # Only of what may take a backend out, for it costs time.
        transcript = pace.fast is not None or target.rhythm.running > 1 or target.is_decisive
        self._checks.start(target.check, partial(self._finished, target, now), transcript=transcript)
        self._schedule.put(target, target.rhythm.due(pace))

    def _finished(self, target: Target, began: float, result: Result) -> None:
        now = self._running_loop().time()
        self._running -= 1
        target.rhythm.finished(now)
        if not target.watches:
            return
        if result.state != State.OK and self._ran_across_a_pause(target, began, now):
            self._discarded += 1
            target.repeats += 1
            target.rhythm.repeat()
        else:
            target.repeats = 0
            for watch, change in target.take(result, now, self._excuse(result, began, now)):
                self._note(watch, change, now)
        self._schedule.put(target, target.rhythm.due(target.pace))
        self._arm()

    async def _beat(self) -> None:
        """Finds out when this process did not run, and whether the kernel has room for connections."""
        loop = self._running_loop()
        while True:
            await asyncio.sleep(PERIOD)
            now = loop.time()
            self._take_pulse(now)
            if now - self._looked >= _TABLE_EVERY:
                self._look_at_flows(now)

    def _take_pulse(self, now: float) -> None:
        gap = self._pulse.beat(now)
        if gap >= _TOLD_PAUSE:
            lost = f"this process did not run for {gap:.1f} seconds, or the clock was set"
            reason = f"{lost}: what fails of the {self._running} probes under way is repeated"
            self.events.add(Event(time=time.time(), kind="paused", reason=reason))

    def _look_at_flows(self, now: float) -> None:
        self._looked = now
        self._flow_table.look(now)
        was_full, self._is_full = self._is_full, self._flow_table.is_full(now)
        if self._is_full and not was_full:
            advice = "probes that get no answer are no verdict; raise net.netfilter.nf_conntrack_max"
            self.events.add(Event(time=time.time(), kind="conntrack-full", reason=f"{self._flow_table}: {advice}"))
        elif was_full and not self._is_full:
            reason = f"{self._flow_table.used} of {self._flow_table.most} flows: probes decide again"
            self.events.add(Event(time=time.time(), kind="conntrack-free", reason=reason))

    def _ran_across_a_pause(self, target: Target, began: float, now: float) -> bool:
        # The loop may hear of a result before it beats again.
        self._take_pulse(now)
        lost = self._pulse.lost(began)
        return 0 < lost >= min(_LOST_MOST, _LOST_SHARE * target.check.deadline) and target.repeats < _REPEATS

    def _excuse(self, result: Result, began: float, now: float) -> str:
        """Returns what this machine lacked while a probe failed that got no answer; "" when nothing is known of it."""
        if result.state == State.OK or was_refused(result):
            return ""
        self._look_at_flows(now)
        if not self._flow_table.was_full(began):
            return ""
        self._discarded += 1
        return str(self._flow_table)

    def _note(self, watch: BackendHealth, change: Change, now: float) -> None:
        wall = time.time()
        self._flips += change.kind in ("up", "down")
        if change.kind in ("up", "down", "keep"):
            self._reconciler.request({watch.farm}, now + change.hold)
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

    def _health(self, target: Target, watch: BackendHealth) -> Health:
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
            weight=self._reconciler.share(watch.farm, watch.backend),
            kept=watch.kept,
        )


def _farms_of(given: Configuration | tuple[Farm, ...]) -> tuple[Farm, ...]:
    return given.farms if isinstance(given, Configuration) else given
