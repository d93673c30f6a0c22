"""Reconciles the kernel's table with the desired state: coalesces changes, retries failures.

The desired state is a function of farms, overrides and health; desired.merge() computes it for one farm. A request
names the farms in which something has changed. _apply() waits for requests, computes those farms again and gives all
conditions to the applier, which finds the difference to the kernel's table. Three rules hold:

- Coalescing: a request after a quiet time is carried out at once; requests that follow closely are carried out together
  (coalesce.py), so that 1,000 backends that fail together are a handful of transactions. settle() ends the wait.
- Level, not edge: a request carries the names of farms and no change. When the kernel refuses, the same names are
  requested again after 0.2 s, then 0.4 s, up to 5 s, together with those that changed meanwhile. So no change is lost
  or applied twice. When conntrack cannot end flows, the empty set is requested after 5 s; changes do not wait for that.
- The table is assumed unchanged until the kernel reports otherwise: _look() waits for changes by other programs and
  requests the empty set of farms. The applier then compares the whole table and repairs it.

All calls that change the kernel run in one thread (worker.py), so that a slow nft delays no probe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from ..errors import GuardError
from ..events import EventLog
from ..farm import BackendState, Condition, Conditions, Farm, Scheduler
from ..nft.marks import Marks
from ..nft.run import KernelError
from ..nft.skeleton import VERSION
from ..nft.table import Snapshot
from ..overrides import Overrides
from . import balance
from .applier import ApplyResult
from .coalesce import Batching
from .desired import Desired, Place, merge, served, standing, verdicts_of
from .health import BackendHealth
from .worker import Worker, in_thread

# Counts connections by conntrack mark; KernelError.
Count = Callable[[], Mapping[int, int]]
_BALANCE_EVERY = 3.0
_LOOK_EVERY = 5.0
_LOOK_PAUSE = 0.05
# Seconds for which a table of another version may stay in use at the start; most backends have a result in 6.
_OLD_TABLE = 10.0
ENDED = "the guardian has ended"
# Seconds before a refused change is tried again, doubled each time; seconds before ending flows is tried again.
_RETRY_FIRST, _RETRY_MOST = 0.2, 5.0
_RETRY_ENDING = 5.0


class Applier(Protocol):
    """Changes the kernel: NftApplier, or a stand-in of a test. Blocking; called by one thread."""

    def read(self) -> Snapshot | None: ...
    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult: ...
    def is_disturbed(self) -> bool: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Reconciler:
    """Keeps the kernel's table in line with farms, overrides and health.

    count returns connections by mark, for farms with the scheduler least-connections. transactions and failed are
    totals; failure is the last refusal until a change succeeds. worker is the thread that changes the kernel. present
    says which backends served when the guardian started or before the last change of the farms; shares has the
    percentages of weights from least-connections. ready is the time of the loop's clock at which the kernel's table
    became that of the present farms, infinity before that.
    """

    def __init__(
        self, farms: tuple[Farm, ...], overrides: Overrides, *, applier: Applier, events: EventLog, count: Count
    ) -> None:
        self.transactions = 0
        self.failed = 0
        self.failure: KernelError | None = None
        self.ready = float("inf")
        self._farms, self._overrides = farms, overrides
        self._watches: Mapping[Place, Sequence[BackendHealth]] = {}
        self._applier = applier
        self._events = events
        self._count = count
        self._batching = Batching()
        self.worker = Worker()
        self.present: Mapping[Place, bool] = {}
        self._is_read = False
        self._conditions: dict[tuple[str, str], Condition] = {}
        self._merged: dict[str, Desired] = {}
        self._ramps: dict[str, asyncio.TimerHandle] = {}
        # The timer that requests to end the flows that could not be ended; None when there are none.
        self._ending: asyncio.TimerHandle | None = None
        self.shares: dict[str, Mapping[str, int]] = {}
        self._dirty: set[str] = set()
        self._urgent = float("inf")
        self._wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        # The requests so far, and how many of them were applied or refused. settle() waits for those before it, and no
        # longer: while backends flap, there is always a newer one.
        self._requests = self._answered = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    async def run(self) -> None:
        """Runs until it is cancelled; a transaction under way is finished first."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._apply())
                group.create_task(self._even_out())
                group.create_task(self._look())
        finally:
            for timer in (*self._ramps.values(), self._ending):
                if timer is not None:
                    timer.cancel()
            await self.worker.run(self._applier.close)
            self.worker.close()

    def configure(
        self, farms: tuple[Farm, ...], overrides: Overrides, watches: Mapping[Place, Sequence[BackendHealth]]
    ) -> None:
        """Replaces farms, overrides and health, and requests the farms that are other objects or get other overrides.

        The watches of farms that are the same objects must be the same, too.
        """
        names, before = {farm.name for farm in farms}, {farm.name: farm for farm in self._farms}
        same = {farm.name for farm in farms if before.get(farm.name) is farm}
        if farms is not self._farms:
            self.ready = float("inf")
            changed = tuple(farm for farm in self._farms if farm.name not in same)
            kept = {place: serves for place, serves in self.present.items() if place[0] in same}
            self.present = {**kept, **dict(standing(changed, self._watches, self.present, farms))}
            self._conditions = {key: one for key, one in self._conditions.items() if key[0] in same}
            self._merged = {name: one for name, one in self._merged.items() if name in names}
        overridden = {farm for (farm, _), _ in self._overrides.states.items() ^ overrides.states.items()}
        self._farms, self._overrides, self._watches = farms, overrides, watches
        self.request((names - same) | (names - self._merged.keys()) | (overridden & names), 0.0)

    def request(self, farms: set[str], urgent: float) -> None:
        """Requests that these farms are computed again and applied, at urgent (the loop's clock) at the latest."""
        self._dirty |= farms
        self._urgent = min(self._urgent, urgent)
        self._requests += 1
        self._wanted.set()

    def standing(self, after: tuple[Farm, ...]) -> Iterator[tuple[Place, bool]]:
        """Yields for each backend whether it serves now by health alone, as configure() keeps it for other farms."""
        return standing(self._farms, self._watches, self.present, after)

    @property
    def weights(self) -> Mapping[str, Mapping[str, int]]:
        """The current percentages of the configured weights, by farm and backend, without those of 100.

        Slow start and least-connections reduce or raise them, the latter in farms without checks too.
        """
        return {name: merged.shares for name, merged in self._merged.items() if merged.shares}

    async def settle(self) -> None:
        """Waits until all requests so far are applied; raises KernelError when one fails, which is retried.

        GuardError when release() is called first.
        """
        if self._answered < self._requests:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((self._requests, waiter))
            self._hurry.set()
            await waiter
        if self.failure is not None:
            raise self.failure.with_traceback(None)

    def release(self) -> None:
        """Ends the wait of settle() with GuardError, because nothing is applied any more."""
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(GuardError(ENDED))
        self._waiters.clear()

    async def _apply(self) -> None:
        retry = _RETRY_FIRST
        while True:
            await self._wanted.wait()
            await self._pause(self._batching.due(asyncio.get_running_loop().time(), self._urgent))
            dirty, self._dirty, self._urgent = self._dirty, set(), float("inf")
            self._wanted.clear()
            taken = self._requests
            try:
                await self._carry_out(dirty, failed_before=retry > _RETRY_FIRST)
            except KernelError as error:
                self.failed += 1
                self.failure = error
                self._events.report("apply-failed", str(error))
                self._answer(self._requests)
                # Request the same farms again, together with those that change meanwhile.
                await self._pause(asyncio.get_running_loop().time() + retry)
                retry = min(_RETRY_MOST, 2 * retry)
                self.request(dirty, 0.0)
            else:
                retry = _RETRY_FIRST
                self.failure = None
                self._batching.done(asyncio.get_running_loop().time())
                self._answer(taken)

    async def _carry_out(self, dirty: set[str], *, failed_before: bool) -> None:
        if not self._is_read:
            await self._read()
        await self._merge_all(dirty)
        farms, stopped = self._farms, self._overrides.stopped_of(self._farms)
        applied = await self.worker.run(partial(self._applier.apply, farms, dict(self._conditions), stopped))
        self.transactions += applied.transactions
        if farms is self._farms:
            self.ready = min(self.ready, asyncio.get_running_loop().time())
        if failed_before or applied.repaired:
            after = applied.why or "a look at the kernel's table"
            plural = "" if applied.transactions == 1 else "s"
            self._events.report("applied", f"{applied.transactions} transaction{plural} after {after}")
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
            if not applied.trouble:
                self._events.report("applied", "the flows that could not be ended before are ended")
        if applied.trouble:
            self._events.report("apply-failed", applied.trouble)
            self._ending = asyncio.get_running_loop().call_later(_RETRY_ENDING, self.request, set(), 0.0)

    async def _read(self) -> None:
        """Reads from the kernel's table which backends serve.

        A table of another version of noidlb, or with other bits for its marks, does not tell, and is replaced as a
        whole. The new one would refuse all clients until there are results, so the old one stays for up to 10 s.
        """
        snapshot = await self.worker.run(self._applier.read)
        if snapshot is not None:
            # configure() may have set present before this first reading, and is newer.
            self.present = {**served(self._farms, snapshot.table), **self.present}
            is_other = snapshot.version != VERSION or snapshot.table.layout != Marks(self._farms).layout
            if is_other and not snapshot.damage:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._await_results(), _OLD_TABLE)
                self._wanted.set()
        self._is_read = True

    async def _await_results(self) -> None:
        """Waits until each backend has had a first result; each first result is a request."""
        while not all(watch.probes for watches in self._watches.values() for watch in watches):
            self._wanted.clear()
            await self._wanted.wait()

    async def _merge_all(self, dirty: set[str]) -> None:
        """Merges the farms that have been requested, those that configure() requests meanwhile too."""
        farms: tuple[Farm, ...] = ()
        while self._farms is not farms:
            farms, dirty = self._farms, dirty | self._dirty
            for farm in farms:
                if farm.name not in dirty:
                    continue
                self._merge(farm)
                # Between two farms checks start: 10,000 backends that change together take 0.1 s.
                await asyncio.sleep(0)
                if self._farms is not farms:
                    break

    def _merge(self, farm: Farm) -> None:
        loop = asyncio.get_running_loop()
        verdicts = verdicts_of(farm, self._watches)
        merged = merge(farm, self._overrides, verdicts, self.present, loop.time(), balance=self.shares.get(farm.name))
        before = self._merged.get(farm.name)
        self._conditions.update(merged.conditions)
        self._merged[farm.name] = merged
        if (ramp := self._ramps.pop(farm.name, None)) is not None:
            ramp.cancel()
        if merged.until is not None:
            self._ramps[farm.name] = loop.call_at(merged.until, self.request, {farm.name}, float("inf"))
        for _, backend, _ in sorted(merged.floored - (before.floored if before else frozenset())):
            floor = farm.guardian.min_backends if farm.guardian else 0
            reason = f"stays in service though it fails: min-backends is {floor}"
            self._events.report("floor", reason, farm=farm.name, backend=backend)

    async def _pause(self, until: float) -> None:
        """Waits until a time of the loop's clock, or until settle() is called."""
        if until > asyncio.get_running_loop().time():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._hurry.wait()

    def _answer(self, requests: int) -> None:
        """Ends the calls of settle() that wait for the first requests, by number; the hurry of later ones remains."""
        self._answered = requests
        for number, waiter in self._waiters:
            # The future of a cancelled call is done already.
            if number <= requests and not waiter.done():
                waiter.set_result(None)
        self._waiters = [(number, waiter) for number, waiter in self._waiters if number > requests]
        if not self._waiters:
            self._hurry.clear()

    async def _look(self) -> None:
        """Requests a repair when another program has changed the table: asks after each notice, and every 5 s."""
        while True:
            await self._notice()
            # A program that changes a table often does so several times in a row, which the pause coalesces.
            await asyncio.sleep(_LOOK_PAUSE)
            with suppress(KernelError):
                if await self.worker.run(self._applier.is_disturbed):
                    self.request(set(), 0.0)

    async def _notice(self) -> None:
        """Waits until another program has changed a table, at most until the next look."""
        loop, noticed = asyncio.get_running_loop(), asyncio.Event()
        descriptor = self._applier.fileno()
        if descriptor >= 0:
            loop.add_reader(descriptor, noticed.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await noticed.wait()
        finally:
            if descriptor >= 0:
                loop.remove_reader(descriptor)

    async def _even_out(self) -> None:
        """Adjusts the shares of farms with least-connections every 3 s."""
        while True:
            await asyncio.sleep(_BALANCE_EVERY)
            farms = [farm for farm in self._farms if farm.scheduler is Scheduler.LEAST_CONNECTIONS]
            if not farms:
                continue
            try:
                # Not in the worker thread: a change must not wait for the listing of a million flows.
                counts = await in_thread(self._count)
            except KernelError as error:
                self._events.report("apply-failed", str(error))
                continue
            marks = Marks(self._farms)
            counts = marks.flows(counts)
            for farm in farms:
                if farm not in self._farms:
                    continue
                found = {one: self._conditions.get((farm.name, one.name)) for one in farm.backends}
                serving = [one for one, condition in found.items() if condition and condition.state is BackendState.UP]
                flows = {one.name: counts.get(marks.backend(farm, one.name), 0) for one in serving}
                before = self.shares.get(farm.name, {})
                after = balance.step(serving, flows, before)
                if after != before:
                    self.shares[farm.name] = after
                    self.request({farm.name}, float("inf"))
