"""Runs `noidchecks survey`: reads targets, checks them in rounds, and passes results to the delivery queues."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager

from ..batch import survey_schedule
from ..drivers.poll import WaitUntil
from ..errors import UsageError
from ..regular import read_regular
from ..status.state import State
from ..status.text import printable
from ..systemd import Notifier
from ..value import Value
from . import nagios_objects
from .delivery import DeliveryQueue
from .report.journal import Journal
from .report.record import Record
from .schedule import Schedule
from .targets import TargetList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from typing import TypeVar

    from .destination import Report
    from .schedule import Round
    from .targets import Shard, Target

    Say = Callable[[str], None]
    Progress = Callable[[int, int], None]
    T = TypeVar("T")

STANDARD_INPUT = "-"
# The most bytes of a file of targets; a million targets take 100 MB.
_SIZE_LIMIT = 1 << 28
# The lines that are parsed in one step.
_LINES = 8
# A reload reads for 2 ms at a time and leaves at least 1 ms to the running checks: 20,000 targets take seconds, and
# deadlines would pass meanwhile although answers have arrived.
_TURN, _BREAK = 0.002, 0.001


class Sources(Value):
    """The sources of a survey's targets: files of lines, objects.cache files and their resource files.

    passive_only leaves out the services of objects.cache that the monitoring server checks itself.
    """

    files: tuple[str, ...]
    objects: tuple[str, ...]
    resources: tuple[str, ...]
    shard: Shard | None
    passive_only: bool

    def __init__(
        self,
        files: Iterable[str] = (),
        objects: Iterable[str] = (),
        resources: Iterable[str] = (),
        shard: Shard | None = None,
        *,
        passive_only: bool = False,
    ) -> None:
        files, objects, resources = tuple(files), tuple(objects), tuple(resources)
        self._fill(locals())

    def read(self) -> tuple[list[Target], list[str]]:
        """Returns this machine's share of the targets, and the complaints; UsageError for an unreadable file.

        Reads standard input to its end.
        """
        steps = self.steps()
        while True:
            try:
                pause = next(steps)
            except StopIteration as stop:
                found: tuple[list[Target], list[str]] = stop.value
                return found
            # sleep(0) would still take 50 microseconds or, on a busy machine, the time slices of other processes.
            if pause:
                time.sleep(pause)

    def steps(self) -> Generator[float, None, tuple[list[Target], list[str]]]:
        """Does the work of read() in small steps; yields the seconds to wait before the next one, usually 0."""
        found = TargetList()
        for name in self.files:
            lines = _lines(name)
            for begin in range(0, len(lines), _LINES):
                found.add_lines(
                    "standard input" if name == STANDARD_INPUT else name, lines[begin : begin + _LINES], begin + 1
                )
                yield 0.0
        macros: dict[str, str] = {}
        for name in self.resources:
            macros |= nagios_objects.read_resources(_lines(name))
        for name in self.objects:
            with _readable(name):
                lines = yield from nagios_objects.read_objects(name, _SIZE_LIMIT)
            for _ in nagios_objects.add_services(found, name, lines, macros, passive_only=self.passive_only):
                yield 0.0
        if self.shard is None:
            return found.targets, found.complaints
        share = []
        for target in found.targets:
            if self.shard.has(target.key):
                share.append(target)
            yield 0.0
        return share, found.complaints


def _lines(name: str) -> list[bytes]:
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise UsageError("Cannot read standard input: it is closed")
        return sys.stdin.buffer.readlines()
    with _readable(name):
        return read_regular(name, _SIZE_LIMIT).splitlines(keepends=True)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"Cannot read {printable(name)}: {error.strerror}") from None


def _in_turns(steps: Generator[float, None, T]) -> Generator[WaitUntil, None, T]:
    turn_ends = time.monotonic() + _TURN
    while True:
        try:
            pause = next(steps)
        except StopIteration as stop:
            found: T = stop.value
            return found
        if pause or time.monotonic() > turn_ends:
            yield WaitUntil(time.monotonic() + max(pause, _BREAK))
            turn_ends = time.monotonic() + _TURN


class SurveyRunner:
    """One survey: its targets, its schedule and its delivery queues.

    run() returns OK when every target was checked and every result delivered, whatever the states; WARNING when
    targets were invalid or not checked before the end, or a destination refused results for good; CRITICAL when results
    are still queued or were dropped; UNKNOWN when there was nothing to check. say gets a line for each message to the
    operator, progress the numbers of checked and of all targets of a round.
    """

    def __init__(
        self,
        sources: Sources,
        reports: Sequence[tuple[str, Report]],
        *,
        over: float,
        every: float,
        concurrency: int,
        keep: int,
        patience: float,
        spool: str,
        say: Say,
        progress: Progress,
    ) -> None:
        self._sources = sources
        self._targets, self._complaints = sources.read()
        # Set by the signal handlers, which do nothing else because they may run between any two bytecode instructions.
        self._stopped = False
        self._reload = False
        self._concurrency = concurrency
        self._patience = patience
        self._say = say
        self._progress = progress
        self._reports = reports
        self._every = every
        self._schedule = Schedule(self._load, over, every, say, self._may_start)
        # The keys of the targets that are being checked. A second check at the same time would meet a server that the
        # first one keeps busy, and might end before it, so that the older result would arrive last.
        self._running: set[tuple[str, str]] = set()
        self._began = time.monotonic()
        # Called before the queues are created, which begin at once to deliver the results in their journals.
        self._announce()
        self._queues = [
            DeliveryQueue(name, report, keep=keep, say=say, journal=Journal(spool, name, say) if spool else None)
            for name, report in reports
        ]

    def run(self) -> State:
        """Checks until the schedule ends or SIGTERM or SIGINT is received; SIGHUP reads the targets again."""
        before = {
            number: signal.signal(number, handler)
            for number, handler in (
                (signal.SIGTERM, self._want_end),
                (signal.SIGINT, self._want_end),
                (signal.SIGHUP, self._want_reload),
            )
        }
        # The command has blocked SIGHUP since its start.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        notifier = Notifier()
        notifier.ready()
        try:
            for (this, target), result in survey_schedule(
                self._schedule, concurrency=self._concurrency, is_stopped=lambda: self._stopped
            ):
                record = Record(target, result, time.time())
                for queue in self._queues:
                    queue.post(record)
                self._running.discard(target.key)
                this.count(result.state)
                self._show(this)
        finally:
            for number in before:
                # A second signal must not interrupt the deliveries at the end, which --patience limits.
                signal.signal(number, signal.SIG_IGN)
            notifier.stopping()
            notifier.close()
            # end() of all queues first, so that a slow queue does not use up the seconds of the others.
            for queue in self._queues:
                queue.end(self._patience)
            for queue in self._queues:
                queue.finish(self._patience)
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._conclude()

    def _load(self) -> Generator[WaitUntil, None, Sequence[Target]]:
        if self._reload:
            self._reload = False
            try:
                if STANDARD_INPUT in self._sources.files:
                    raise UsageError("standard input cannot be read again")
                self._targets, self._complaints = yield from _in_turns(self._sources.steps())
            except UsageError as error:
                self._say(f"{error}; the targets stay as they were")
            else:
                self._announce()
        return self._targets

    def _want_end(self, *_: object) -> None:
        self._stopped = True

    def _want_reload(self, *_: object) -> None:
        self._reload = True

    def _announce(self) -> None:
        for complaint in self._complaints:
            self._say(complaint)
        if self._every and not self._targets:
            # A survey of one round reports it at its end.
            self._say("there is nothing to check")
        names = {target.key for target in self._targets}
        for _, report in self._reports:
            report.expect(names)

    def _may_start(self, this: Round, target: Target) -> bool:
        if target.key in self._running:
            this.skipped += 1
            self._show(this)
            return False
        self._running.add(target.key)
        return True

    def _show(self, this: Round) -> None:
        self._progress(this.done, this.expected)
        if this.done == this.expected:
            states = ", ".join(f"{number} {state}" for state, number in sorted(this.states.items()))
            skipped = f"; {this.skipped} skipped, whose last check still ran" if this.skipped else ""
            self._say(f"{this.checked} checked in {time.monotonic() - this.began:.1f} s: {states or 'none'}{skipped}")

    def _conclude(self) -> State:
        state = State.OK
        for queue in self._queues:
            parts = [f"{queue.delivered} handed in"]
            for number, words in (
                (queue.refused, "refused"),
                (queue.waiting, "not handed in"),
                (queue.dropped, "dropped"),
            ):
                parts += [f"{number} {words}"] if number else []
            self._say(f"{queue.name}: {', '.join(parts)}")
            if queue.waiting or queue.dropped:
                state = State.CRITICAL
            elif queue.refused and state != State.CRITICAL:
                state = State.WARNING
        if not self._targets:
            self._say("there was nothing to check")
            return State.UNKNOWN
        unfinished = self._stopped and not self._every
        return State.WARNING if (self._complaints or unfinished) and state == State.OK else state
