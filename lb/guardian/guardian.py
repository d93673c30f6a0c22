"""The guardian: starts checks when they are due, and hands changes of health to the reconciler.

    Schedule -> Target -> CheckRunner -> Result -> BackendHealth (rise/fall) -> Reconciler -> NftApplier -> kernel

Everything up to the reconciler runs on one asyncio loop. A failed check must not be this machine's fault (excuses.py):
one that ran across a pause of this process is repeated, and one without an answer while the conntrack table was full is
no verdict.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from noidchecks.drivers.aio import Timer
from noidchecks.plugin.redact import redacted
from noidchecks.status.result import Result

from ..config.load import Configuration
from ..errors import GuardError
from ..events import Event, EventLog
from ..farm import Farm
from ..nft import conntrack
from ..nft.fullness import Fullness
from ..overrides import Overrides
from . import lock
from .applier import NftApplier
from .checks import CheckRunner
from .excuses import Excuses
from .flow_table import FlowTable
from .forecast import Forecast, forecast
from .health import BackendHealth, Change, Health
from .pulse import PERIOD
from .reconciler import ENDED, Applier, Count, Reconciler
from .schedule import Schedule
from .targets import Target, Targets

# Checks started before the loop handles sockets again; more would add their own queue to the response times.
_BURST = 4
# Seconds for which starts are coalesced, and so the most by which this delays a check. With thousands of checks, a
# wake-up of this process for each of them costs more than its work, which then begins with cold caches.
_GRAIN = 0.01
# Seconds between two events about checks that wait for their turn.
_QUIET = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Totals since the start, and the present state.

    overdue counts starts more than 50 ms late, latest is the greatest delay in seconds. discarded counts failures that
    were no verdict because of this machine. running are the checks under way. flows are the entries of conntrack and
    their limit, None where unknown; is_full: the limit was reached within the last 10 s.
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
    flows: Fullness | None = None
    is_full: bool = False


class Guardian:
    """Checks the backends of farms and keeps the kernel's table in line with their health and the overrides.

    All methods belong to the loop on which run() runs. Without an applier it changes the kernel of this network
    namespace and holds its lock (lock.py). Changes of health are events; count returns connections by mark, for farms
    with the scheduler least-connections. Another reconciler works in each run.
    """

    def __init__(
        self,
        farms: Configuration | tuple[Farm, ...],
        overrides: Overrides | None = None,
        *,
        applier: Applier | None = None,
        events: EventLog | None = None,
        count: Count = conntrack.count,
        flow_table: FlowTable | None = None,
    ) -> None:
        self.events = events or EventLog()
        self._farms, self._overrides = _farms_of(farms), overrides or Overrides()
        self._applier, self._count, self._flow_table = applier, count, flow_table
        self._loop: asyncio.AbstractEventLoop | None = None
        # run() has begun and has requested the first changes, or has ended.
        self._begun, self._has_ended = asyncio.Event(), False
        self._start_afresh()

    def _start_afresh(self) -> None:
        """Resets the state of one run: after it, another guardian may have changed the table."""
        applier = self._applier or NftApplier()
        self.reconciler = Reconciler(
            self._farms, self._overrides, applier=applier, events=self.events, count=self._count
        )
        self._targets = Targets()
        self._schedule: Schedule[Target] = Schedule()
        self._checks: CheckRunner | None = None
        self._timer: Timer | None = None
        self._flips = self._started = self._running = 0
        self._excuses = Excuses(self.events, self._flow_table or FlowTable())
        # The time of the loop's clock before which no check is started.
        self._free_at = 0.0
        self._told_wait = float("-inf")

    @property
    def counts(self) -> Counts:
        """The totals so far."""
        return Counts(
            transactions=self.reconciler.transactions,
            failed_transactions=self.reconciler.failed,
            flips=self._flips,
            targets=len(self._targets.by_key),
            started=self._started,
            running=self._running,
            overdue=self._schedule.overdue,
            latest=self._schedule.latest,
            discarded=self._excuses.discarded,
            flows=self._excuses.flow_table.held,
            is_full=self._excuses.is_full,
        )

    async def run(self) -> None:
        """Runs until it is cancelled, and leaves the table as it is; raises GuardError when another guardian runs.

        It may be called again: counts and the knowledge of backends begin again then.
        """
        self._has_ended = False
        if self._begun.is_set():
            # Another one, because an event belongs to the loop on which it was awaited.
            self._begun = asyncio.Event()
        with ExitStack() as stack:
            stack.callback(self._end)
            if self._applier is None:
                stack.enter_context(lock.take())
            if self._loop is not None:
                self._start_afresh()
            self._loop = asyncio.get_running_loop()
            self._timer = Timer(self._loop, self._tick)
            checks = self._checks = CheckRunner()
            self._excuses.begin(self._loop.time())
            beating = self._loop.create_task(self._beat())
            try:
                self.configure(self._farms, self._overrides)
                self._begun.set()
                await self.reconciler.run()
            finally:
                beating.cancel()
                self.stop_checking()
                await checks.close()

    def stop_checking(self) -> None:
        """Ignores results and schedules no more checks: one that ends from now on may have been ended with run()."""
        self._checks = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def configure(self, farms: Configuration | tuple[Farm, ...], overrides: Overrides | None = None) -> None:
        """Replaces the farms, and the overrides if given; health is kept for each command and address that remains."""
        self._farms = farms = self._targets.recognize(_farms_of(farms))
        self._overrides = overrides if overrides is not None else self._overrides
        if self._loop is None:
            # Not running yet; run() calls this again.
            return
        for target in self._targets.configure(farms, self._loop.time()):
            self._schedule.put(target, target.rhythm.due(target.pace) if target.watches else None)
        self.reconciler.configure(farms, self._overrides, self._targets.places)
        self._arm()

    def health(self) -> tuple[Health, ...]:
        """Returns the health of each backend by address and command."""
        return tuple(self.each_health())

    def each_health(self, farm: str | None = None) -> Iterator[Health]:
        """Yields the health of the backends that are checked now, of all farms or one; each as it is when yielded."""
        return map(self._health, self._targets.each_watch(farm))

    def forecast(self, farms: tuple[Farm, ...]) -> Iterator[Forecast | None]:
        """Yields the conditions that it would give these farms with its present knowledge, as forecast() does."""
        known, now = self.reconciler, self._running_loop().time()
        return forecast(farms, self._overrides, self._targets, known.standing(farms), known.shares, now)

    async def settle(self) -> None:
        """Waits until run() has begun and all changes so far are in the kernel.

        Raises KernelError when a change fails, which is retried, and GuardError when run() ends or has ended.
        """
        # A task that calls run() again may not have begun yet.
        await asyncio.sleep(0)
        await self._begun.wait()
        if self._has_ended:
            raise GuardError(ENDED)
        await self.reconciler.settle()

    def _end(self) -> None:
        self._has_ended = True
        self._begun.set()
        self.reconciler.release()

    def _arm(self) -> None:
        """Sets the timer for the next start."""
        due = self._schedule.next()
        if due is not None and self._timer is not None:
            self._timer.set(max(due, self._free_at))

    def _tick(self) -> None:
        now = self._running_loop().time()
        self._free_at = now + _GRAIN
        for _ in range(_BURST):
            target = self._schedule.take(now)
            if target is None:
                break
            self._start(target, now)
        else:
            # The next ones may be overdue.
            self._free_at = now
        self._arm()

    def _start(self, target: Target, asked: float) -> None:
        """Starts a check of a target, or queues it at the limit; a target has at most one queued start."""
        if self._checks is None:
            return
        began = asked

        def begun() -> None:
            nonlocal began
            began = self._running_loop().time()
            self._note_start(target, began, began - asked)

        def finished(result: Result) -> None:
            self._finished(target, began, result)

        # Recorded only when the result may take a backend out, because recording costs time.
        transcript = target.pace.fast is not None or target.rhythm.running > 0 or target.is_decisive
        target.rhythm.wait()
        farm = target.watches[0].farm
        self._checks.start(target.check, finished, farm=farm, begun=begun, transcript=transcript)

    def _note_start(self, target: Target, now: float, waited: float) -> None:
        self._started += 1
        self._running += 1
        self._schedule.count_delay(waited)
        if not target.watches:
            # configure() has removed the target meanwhile.
            return
        pace = target.pace
        if waited > pace.interval and now >= self._told_wait + _QUIET:
            self._told_wait = now
            reason = f"a check began {waited:.0f} seconds late: too many of this farm run at a time, and take long"
            self.events.report("overdue", reason, farm=target.watches[0].farm)
        target.rhythm.started(now, pace)
        self._schedule.put(target, target.rhythm.due(pace))
        self._arm()

    def _finished(self, target: Target, began: float, result: Result) -> None:
        now = self._running_loop().time()
        self._running -= 1
        target.rhythm.finished(now)
        if self._checks is None or not target.watches:
            return
        if self._excuses.wants_repeat(target, result, began, now, self._running, self.reconciler.ready):
            target.rhythm.repeat()
        else:
            for watch, change in target.take(result, now, self._excuses.of_flows(result, began, now)):
                self._note(watch, change, now)
        self._schedule.put(target, target.rhythm.due(target.pace))
        self._arm()

    async def _beat(self) -> None:
        loop = self._running_loop()
        while True:
            await asyncio.sleep(PERIOD)
            self._excuses.beat(loop.time(), self._running)

    def _note(self, watch: BackendHealth, change: Change, now: float) -> None:
        wall = time.time()
        self._flips += change.kind in ("up", "down")
        if change.kind in ("up", "down", "keep"):
            self.reconciler.request({watch.farm}, now + change.hold)
        self.events.add(
            Event(
                time=wall,
                kind=change.kind,
                farm=watch.farm,
                backend=watch.backend,
                address=watch.address,
                reason=change.reason,
                probe=redacted(watch.command),
                since=wall - (now - change.since),
                transcript=change.result.transcript if change.kind == "down" else (),
            )
        )

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the guardian is not running")
        return self._loop

    def _health(self, watch: BackendHealth) -> Health:
        since = None
        if watch.since is not None and self._loop is not None:
            since = time.time() - (self._loop.time() - watch.since)
        return Health(
            farm=watch.farm,
            backend=watch.backend,
            address=watch.address,
            command=redacted(watch.command),
            state=watch.state,
            note=watch.note,
            since=since,
            last=watch.last,
            streak=watch.up.streak,
            flaps=watch.flaps,
            probes=watch.probes,
            kept=watch.kept,
        )


def _farms_of(given: Configuration | tuple[Farm, ...]) -> tuple[Farm, ...]:
    return given.farms if isinstance(given, Configuration) else given
