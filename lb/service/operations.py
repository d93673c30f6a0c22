"""Operations on the running guardian: overrides, reload, status."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

from noidchecks import __version__
from noidchecks.status.state import State
from noidchecks.status.text import printable

from ..config.hints import hints
from ..config.load import Configuration, parse
from ..events import EventLog
from ..farm import Farm
from ..farm_status import BackendView, FarmStatus
from ..guardian.forecast import joined
from ..guardian.guardian import Guardian
from ..guardian.health import Health
from ..guardian.worker import in_thread
from ..nft import conntrack, fullness
from ..nft.marks import Marks
from ..nft.observed import Facts
from ..nft.plan import difference, plan
from ..nft.run import KernelError
from ..overrides import Overrides
from ..role import Role
from ..status import each_status
from .history import BackendKey, key_of
from .metrics import MetricsSnapshot
from .observer import Observer
from .paced import paced, sparing, used_up
from .protocol import Request, RequestError
from .state_store import StateStore
from .verbs import gone, number, resolve, size_of

# Seconds to wait for a count of flows before the last one is shown: to the operator's command, and on the pages.
_PATIENCE, _PATIENCE_OF_PAGE = 10.0, 0.5
_WORST = ("down", "unknown", "up")


class Operations:
    """A guardian with its configuration and overrides; changes run one after another."""

    def __init__(
        self,
        guardian: Guardian,
        store: StateStore,
        events: EventLog,
        configuration: Configuration,
        overrides: Overrides,
    ) -> None:
        self.guardian = guardian
        self.configuration = configuration
        self.overrides = overrides
        self._store = store
        self._events = events
        self._one_at_a_time = asyncio.Lock()
        # The farms before the first reload with cut whose flows have not been ended, () when there are none.
        self._uncut: tuple[Farm, ...] = ()
        self._observer = Observer(lambda: sum(len(farm.backends) for farm in self.farms))

    @property
    def farms(self) -> tuple[Farm, ...]:
        """The farms of the configuration."""
        return self.configuration.farms

    async def operate(self, request: Request) -> list[str]:
        """Carries out one of the operator's verbs and returns the result as lines of text."""
        async with self._one_at_a_time:
            operation = resolve(request, self.farms, self.overrides)
            farm, backend = operation.place
            is_new = operation.overrides != self.overrides
            if is_new:
                self.overrides = operation.overrides
                self._events.report("word", operation.verb, farm=farm, backend=backend)
            lines = [str(operation) if is_new else "nothing to change", *await self._carry_out()]
            if operation.cut:
                lines.append(f"ended {number(await in_thread(operation.cut_flows), 'flow')}")
                if not farm:
                    lines.append("the table stays, because the guardian does")
            if operation.verb == "up":
                seen = dict(views(self.guardian.each_health(farm))).get((farm, backend))
                if seen is not None and seen.state == "down":
                    lines.append(f"the guardian keeps it out, for it is down: {seen.reason}")
            return lines

    async def adopt(self, configuration: Configuration, *, cut: bool = False) -> list[str]:
        """Switches to another configuration; keeps the health and overrides of farms and backends that remain.

        cut ends the flows of backends that are no longer used (gone() in verbs.py). When the kernel or conntrack
        refuses, the next call with cut ends the flows of both calls.
        """
        async with self._one_at_a_time:
            self._uncut = (self._uncut or self.farms) if cut else ()
            self.configuration, farms = configuration, configuration.farms
            self.overrides = self.overrides.about(farms)
            lines = [f"{size_of(farms)}: applied", *await self._carry_out()]
            if cut:
                ended = await in_thread(lambda: conntrack.end(gone(self._uncut, farms, self.overrides)))
                self._uncut = ()
                lines.append(f"ended {number(ended, 'flow')}")
            return [*lines, *(f"warning: {hint}" for hint in hints(farms))]

    async def diff(self, text: str) -> tuple[bool, list[str]]:
        """Returns whether a configuration would change the kernel's table, and the changes as lines; FarmError."""
        with sparing():
            farms = (await in_thread(partial(parse, text))).farms
            foreseen = joined(await paced(self.guardian.forecast(farms)))
            change = await in_thread(partial(plan, farms, self.overrides, foreseen.conditions))
        lines = [
            f"# farm {name}: a new command; what serves goes on serving until its first result"
            for name in foreseen.unchecked
        ]
        if change.batches:
            lines.append("# what the running guardian would change, had it read this file")
        return bool(change.batches), [*lines, *await in_thread(partial(difference, change, farms))]

    async def keep(self) -> str:
        """Saves configuration and overrides for the next start, and returns "", or why they are not yet written."""
        return await self._store.keep(self.configuration.text, self.overrides)

    async def status(self) -> list[FarmStatus]:
        """Returns the state of each farm in the kernel, with the health that the guardian knows."""
        facts, flows = await asyncio.gather(self._observer.table(), self._observer.flows(_PATIENCE))
        return await self._statuses(facts, flows, used_up(await paced(self.guardian.each_health())))

    async def view(self, role: Role, others: Mapping[str, int]) -> MetricsSnapshot:
        """Collects the values of the metrics and status pages; others are further counters by name."""
        guardian = self.guardian
        facts, flows = await asyncio.gather(
            self._observer.table(), self._observer.flows(_PATIENCE_OF_PAGE), return_exceptions=True
        )
        health = await paced(guardian.each_health())
        statuses: list[FarmStatus] = []
        if isinstance(facts, Facts) and not isinstance(flows, BaseException):
            statuses = await self._statuses(facts, flows, health)
        return MetricsSnapshot(
            statuses=statuses,
            health=health,
            weights=guardian.reconciler.weights,
            counts=guardian.counts,
            info={"version": __version__, "farms": self.configuration.digest, "role": role.value},
            others=others,
            sticky=fullness.sticky(self.farms),
            expectations=fullness.expectations(),
        )

    async def close(self) -> None:
        """Cancels the reads of the kernel that are under way."""
        await self._observer.close()

    async def _statuses(
        self, facts: Facts, flows: Mapping[int, int] | None, health: Iterable[Health]
    ) -> list[FarmStatus]:
        """Returns the status of each farm."""
        farms, overrides = self.farms, self.overrides
        counted = None if flows is None else Marks(farms).flows(flows)
        seen = dict(await paced(views(health)))
        steps = each_status(farms, overrides, facts, counted, lambda *place: seen.pop(place, None))
        return [one for one in await paced(steps) if one is not None]

    async def summary(self) -> str:
        """Returns the state of all farms in one line."""
        seen = await paced(_states(self.guardian.each_health()))
        states = Counter(state for state, _ in seen)
        text = f"{size_of(self.farms)}; of {number(len(seen), 'watched backend')} {states['up']} up"
        if states["unknown"]:
            text += f", {states['unknown']} not yet known"
        if kept := sum(is_kept for _, is_kept in seen):
            text += f"; {kept} cannot be checked"
        if (counts := self.guardian.counts).is_full:
            text += f"; the connection-tracking table is full: {counts.flows} flows"
        if failure := self.guardian.reconciler.failure:
            text += f"; not in the kernel: {failure}"
        return f"{text}; not written: {self._store.trouble}" if self._store.trouble else text

    @property
    def troubles(self) -> list[str]:
        """The problems of this guardian itself, a sentence each."""
        counts, found = self.guardian.counts, []
        if failure := self.guardian.reconciler.failure:
            found.append(f"The kernel has not taken the last change: {failure}")
        if counts.is_full:
            full = f"The kernel's table of connections is full: {counts.flows}"
            found.append(f"{full}; probes that get no answer are no verdict")
        if self._store.trouble:
            found.append(f"What the operator says is not written to disk: {self._store.trouble}")
        return found

    async def _carry_out(self) -> list[str]:
        """Applies farms and overrides to the kernel and saves them; RequestError when the kernel refuses."""
        self.guardian.configure(self.farms, self.overrides)
        keeping = asyncio.create_task(self.keep())
        try:
            await self.guardian.settle()
        except KernelError as error:
            raise RequestError(f"{error}; the guardian will try again", 2) from None
        finally:
            trouble = await keeping
        return [f"warning: {trouble}; it holds, and is written as soon as it can be"] if trouble else []


def views(health: Iterable[Health]) -> Iterator[tuple[BackendKey, BackendView]]:
    """Yields the guardian's view of each backend, the worst of its addresses and commands; these are consecutive."""
    for key, ones in groupby(health, key_of):
        yield key, _view([*ones])


def _states(health: Iterable[Health]) -> Iterator[tuple[str, bool]]:
    """Yields the worst state of each backend, and whether it cannot be checked."""
    for _, ones in groupby(health, key_of):
        found = [(one.state, bool(one.kept)) for one in ones]
        yield min((state for state, _ in found), key=_WORST.index), any(kept for _, kept in found)


def _view(ones: Sequence[Health]) -> BackendView:
    worst = min(ones, key=lambda one: _WORST.index(one.state))
    took = [one.last.timings.total for one in ones if one.last is not None]
    doubt = next((one.note for one in ones if one.note), "")
    if worst.state == "down" and worst.last is not None and worst.last.state != State.OK:
        doubt = printable(worst.last.text.partition("\n")[0], 200)
    changes = [one.since for one in ones if one.since is not None]
    if kept := next((one.kept for one in ones if one.kept), ""):
        doubt = "; ".join(filter(None, (printable(f"cannot be checked: {kept}", 200), doubt)))
    since = worst.since if worst.state == "down" else max(changes, default=None)
    return BackendView(
        state=worst.state,
        reason=doubt,
        since=since,
        seconds=round(max(took), 6) if took else None,
        flaps=sum(one.flaps for one in ones),
    )
