"""The command `noidlb guard`: the guardian with control socket, hook, metrics and systemd, until SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from noidchecks.descriptors import raise_limit
from noidchecks.systemd import Notifier

from ..config.load import Configuration, load
from ..config.service import Settings
from ..errors import GuardError
from ..events import Event, EventLog
from ..farm import Farm
from ..guardian import lock
from ..guardian.applier import NftApplier
from ..guardian.commands import complaints, require_usable
from ..guardian.guardian import Guardian
from ..guardian.reconciler import Applier
from ..nft import nft as kernel
from ..nft.compile import compile_table
from ..nft.run import KernelError
from ..overrides import Overrides
from ..role import DEFAULT_RUN, Role, read_role
from .defects import Defects
from .endpoint import MetricsEndpoint
from .hook import Hook
from .metrics import MetricsSnapshot
from .operations import Operations
from .paced import exempt, sparing, take_turns
from .pages import Pages
from .requests import RequestHandler
from .server import ControlServer
from .state import StateError, StateFolder
from .state_store import StateStore
from .verbs import load_modules, size_of

# Seconds between two messages to the service manager: without events, and the minimum.
_BEAT = 10.0
_PAUSE = 0.2
# _settle_in(): seconds between two garbage collections, and the most of them.
_ROUND, _ROUNDS = 10.0, 12
# The most farms that a message lists.
_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line; hook and metrics, when given, take precedence over those of the file."""

    file: str
    folder: StateFolder
    socket: Path
    hook: tuple[str, ...] = ()
    metrics: str = ""
    run_folder: Path = Path(DEFAULT_RUN)

    def over(self, settings: Settings) -> Settings:
        """Returns the effective settings, given those of the file."""
        return replace(settings, hook=self.hook or settings.hook, metrics=self.metrics or settings.metrics)


class Service:
    """Runs until SIGTERM or SIGINT, which, like a crash, leave the kernel's table unchanged."""

    # Made by run(), with _running.
    _metrics: MetricsEndpoint

    def __init__(
        self, options: Options, events: EventLog, *, notifier: Notifier | None = None, applier: Applier | None = None
    ) -> None:
        self._options = options
        self._events = events
        self._notifier = notifier or Notifier()
        self._applier = applier or NftApplier(role_of=self._role)
        self._ended = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_reload = asyncio.Lock()
        self._hook = Hook(events)
        self._running: Operations | None = None

    async def run(self) -> int:
        """Runs, and returns the exit code; FarmError, GuardError, KernelError, StateError when it cannot start."""
        async with AsyncExitStack() as stack:
            stack.callback(self._notifier.close)
            gc.collect()
            configuration = self._read(beginning=True)
            farms, settings = configuration.farms, self._options.over(configuration.settings)
            if missing := kernel.missing_parts():
                raise KernelError(f"this kernel lacks {', '.join(missing)}: load with modprobe")
            stack.enter_context(lock.take())
            raise_limit()
            take_turns()
            overrides = self._overrides().about(farms)
            self._load_modules(farms)
            store = StateStore(self._options.folder, self._events)
            guardian = Guardian(farms, overrides, applier=self._applier, events=self._events)
            running = self._running = Operations(guardian, store, self._events, configuration, overrides)
            defects = Defects(self._events)
            pages = Pages(self._look, guardian.each_health, lambda: running.troubles, self._events, defects)
            self._metrics = MetricsEndpoint(pages.routes, defects.report, self._events, pages.start)
            stack.push_async_callback(running.close)
            handler = RequestHandler(running, self._events, self.reload)
            control = ControlServer(self._options.socket, handler.answer, self._events)
            await control.open()
            stack.push_async_callback(control.close)
            self._hook.start()
            stack.push_async_callback(self._hook.close)
            stack.push_async_callback(pages.close)
            stack.push_async_callback(self._metrics.close)
            await self._set(settings)
            stack.push_async_callback(store.close)
            self._events.subscribe(self._take)
            with self._signals():
                return await self._guard(guardian, running)

    def stop(self) -> None:
        """Ends the service, first its checks: what ends this process may end their plugins, which is no verdict."""
        if self._running is not None:
            self._running.guardian.stop_checking()
        self._ended.set()

    async def reload(self, *, cut: bool = False) -> list[str]:
        """Reads the file again; FarmError when it is invalid, and nothing changes.

        cut ends the flows of backends that are no longer used (gone() in verbs.py).
        """
        running = self._begun()
        async with self._one_reload:
            # Until the farms are in the kernel for the first time, the service manager takes READY=1 for the end of the
            # start, not of a reload: it would report a start that has not yet succeeded.
            if started := self._notifier.is_ready:
                self._notifier.reloading()
            gc.collect()
            try:
                with sparing():
                    configuration = await asyncio.to_thread(self._read)
            except Exception as error:
                file, why = self._options.file, str(error)
                where = why if why.startswith(file) else f"{file}: {why}"
                self._events.report("reload-failed", f"{where}; the farms stay as they were")
                raise
            else:
                self._load_modules(configuration.farms)
                await self._set(self._options.over(configuration.settings))
                self._events.report("reload", f"{self._options.file}: {size_of(configuration.farms)}")
                with sparing():
                    lines = await running.adopt(configuration, cut=cut)
                self._begin_task(self._settle_in(running.guardian))
                return lines
            finally:
                if started:
                    self._notifier.ready()

    def _begun(self) -> Operations:
        if self._running is None:
            raise GuardError("the guardian is only beginning")
        return self._running

    async def _guard(self, guardian: Guardian, running: Operations) -> int:
        watching = asyncio.create_task(guardian.run())
        watching.add_done_callback(lambda _: self._ended.set())
        self._events.report("start", f"{self._options.file}: {size_of(running.farms)}")
        if stopped := sorted(running.overrides.stopped_of(running.farms)):
            which = "all farms are stopped" if len(stopped) == len(running.farms) else f"stopped: {_some(stopped)}"
            self._events.report("note", f"{which}, and refuse their clients: noidlb start lets them serve")
        beating = asyncio.create_task(self._beat(watching, running))
        beginning = asyncio.create_task(self._begin(guardian, running))
        await self._ended.wait()
        self._notifier.stopping()
        for task in (beginning, beating, *self._tasks):
            task.cancel()
        failure = watching.exception() if watching.done() and not watching.cancelled() else None
        self._events.report(
            "stop", f"the guardian has failed: {_cause(failure)}" if failure else "the table stays as it is"
        )
        watching.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await watching
        await asyncio.gather(beginning, beating, *self._tasks, return_exceptions=True)
        return 2 if failure else 0

    async def _begin(self, guardian: Guardian, running: Operations) -> None:
        # The reconciler has logged an error as an event, and tries again.
        with suppress(KernelError):
            await guardian.settle()
            self._notifier.ready()
        await running.keep()
        await self._settle_in(guardian)

    async def _settle_in(self, guardian: Guardian) -> None:
        """Exempts the backends' objects from garbage collection, which would take 0.1 s at a time for 10,000 of them.

        Some of these objects are created with the first result of each backend, a few with the second.
        """
        exempt(1)
        before = guardian.counts.started
        for _ in range(_ROUNDS):
            await asyncio.sleep(_ROUND)
            if self._one_reload.locked():
                # The objects of a reload may be garbage soon.
                continue
            exempt()
            if guardian.counts.started - before > 2 * guardian.counts.targets:
                return

    def _read(self, *, beginning: bool = False) -> Configuration:
        configuration = load(self._options.file)
        # Raises FarmError for farms that cannot be compiled, as `noidlb check` does.
        compile_table(configuration.farms)
        if beginning and configuration.text == self._applied():
            # Applied before: a command that is missing now must not prevent the start; its backends stay as they are.
            for complaint in complaints(configuration.farms):
                self._events.report("note", f"cannot be checked: {complaint}")
        else:
            require_usable(configuration.farms)
        # The document of thousands of farms takes megabytes, and the service does not use it.
        return replace(configuration, document={})

    def _applied(self) -> str | None:
        try:
            return self._options.folder.applied()
        except StateError:
            # For example after a restoration by root. The farms are in the file; the store reports it when it writes.
            return None

    def _overrides(self) -> Overrides:
        folder = self._options.folder
        try:
            with folder.locked():
                overrides = folder.overrides(put_aside=True)
        except StateError as error:
            # A full disk must not prevent the start; but the overrides must be readable.
            overrides = folder.overrides()
            self._events.report("save-failed", str(error))
        for warning in folder.warnings:
            self._events.report("note", warning)
        folder.warnings.clear()
        return overrides

    def _load_modules(self, farms: tuple[Farm, ...]) -> None:
        for complaint in load_modules(farms):
            self._events.report("note", complaint)

    async def _set(self, settings: Settings) -> None:
        self._hook.configure(settings.hook, settings.hook_timeout)
        await self._metrics.configure(settings.endpoint)

    async def _look(self) -> MetricsSnapshot:
        others = {"hook_runs": self._hook.runs, "hook_failures": self._hook.failures}
        return await self._begun().view(self._role(), others)

    def _role(self) -> Role:
        return read_role(self._options.run_folder)

    async def _beat(self, watching: asyncio.Task[None], running: Operations) -> None:
        watchdog = self._notifier.watchdog
        worker = running.guardian.reconciler.worker
        beat = _BEAT if watchdog is None else min(_BEAT, watchdog / 3)
        while True:
            if not watching.done() and (watchdog is None or worker.stalled() < watchdog):
                self._notifier.alive(at_work=worker.is_busy)
            self._notifier.status(await running.summary())
            await asyncio.sleep(min(_PAUSE, beat))
            with suppress(TimeoutError):
                async with asyncio.timeout(beat):
                    await self._news.wait()
            self._news.clear()

    def _take(self, event: Event) -> None:
        self._news.set()
        if event.kind == "applied":
            # The kernel has accepted a table, perhaps after it had refused that of the start.
            self._notifier.ready()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._begin_task(self._reread()))
        # `noidlb guard` blocks SIGHUP from its first line on, because it has no handler before this one.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _begin_task(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reread(self) -> None:
        # reload() has logged the error as an event.
        with suppress(Exception):
            await self.reload()


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _cause(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
