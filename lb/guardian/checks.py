"""Runs the commands of guardians: our own plugins in this very process, all others as processes."""

from __future__ import annotations

import asyncio
import resource
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from noidchecks.drivers.poll import Loop
from noidchecks.drivers.session import Session
from noidchecks.errors import LocalError, UsageError
from noidchecks.plugin.plugin import PLUGINS, InformationWanted, parse
from noidchecks.probe import finish_or_unknown, start
from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.status.text import printable

from .process import ProcessPool

if TYPE_CHECKING:
    from noidchecks.contract import Probe

# Descriptors that are left to everybody else in the process.
_SPARE_DESCRIPTORS = 256
# Processes at once; a machine that runs more of them reports its own load as the peers' response time.
MOST_PROCESSES = 128

Done = Callable[[Result], object]


class Check:
    """The words of a command for one address, ready to be run with a deadline of so many seconds.

    A shorter deadline among the words holds. A bare name of one of our plugins is run in this process, a path never.
    """

    __slots__ = ("words", "timeout", "_probe", "_refusal")

    def __init__(self, words: Sequence[str], timeout: float) -> None:
        self.words = tuple(words)
        self.timeout = timeout
        self._probe: Probe | None = None
        self._refusal: Result | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is run in this process."""
        return self.words[0] in PLUGINS

    @property
    def deadline(self) -> float:
        """The seconds after which it has failed, by its own words where they say less."""
        probe = self.probe() if self.is_ours else None
        return self.timeout if probe is None or isinstance(probe, Result) else probe.timeout

    def probe(self) -> Probe | Result:
        """Returns what is to be run, or the result of words that cannot be; read at the first use, kept then."""
        if self._probe is None and self._refusal is None:
            try:
                probe = parse(self.words).probe
            except InformationWanted:
                self._refusal = self._unknown("it checks nothing, it prints a text")
            except UsageError as error:
                self._refusal = self._unknown(printable(str(error)))
            else:
                own = probe.timeout
                limit = min(own, self.timeout) if own > 0 else self.timeout
                # Every probe of ours is a Value.
                self._probe = probe if own == limit else probe.replace(timeout=limit)  # type: ignore[attr-defined]
        return self._probe or self._refusal  # type: ignore[return-value]

    def _unknown(self, text: str) -> Result:
        # Words that say nothing to us say nothing of a peer.
        return Result(State.UNKNOWN, f"{self.words[0]} UNKNOWN - {text}", failure=LocalError(text))


class CheckRunner:
    """Runs checks on the running asyncio loop; thousands of ours share one epoll descriptor in it."""

    def __init__(self, *, most: int | None = None, most_processes: int = MOST_PROCESSES) -> None:
        self._asyncio = asyncio.get_running_loop()
        self._loop = Loop()
        self._foreign = ProcessPool(most_processes)
        self._most = most if most is not None else _room()
        self._running: dict[Session, tuple[Probe, Done]] = {}
        self._waiting: deque[tuple[Check, bool, Done]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._asyncio.add_reader(self._loop.fileno(), self._turn)

    def start(self, check: Check, done: Done, *, transcript: bool = False) -> None:
        """Runs a check; done gets its result, never before this has returned."""
        if not check.is_ours:
            self._foreign.start(check.words, check.timeout, done)
        elif len(self._running) >= self._most:
            self._waiting.append((check, transcript, done))
        else:
            self._begin(check, done, transcript=transcript)
            self._settle()

    async def close(self) -> None:
        """Ends everything that runs; nothing is reported any more."""
        self._waiting.clear()
        self._running.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._asyncio.remove_reader(self._loop.fileno())
        self._loop.close()
        await self._foreign.close()

    def _begin(self, check: Check, done: Done, *, transcript: bool) -> None:
        probe = check.probe()
        if isinstance(probe, Result):
            self._asyncio.call_soon(done, probe)
            return
        session = start(probe, transcript=transcript)
        self._running[session] = probe, done
        self._loop.start(session)

    def _turn(self) -> None:
        self._loop.turn(0.0)
        self._settle()

    def _settle(self) -> None:
        """Reports what has ended, lets others start in its place, and sees to the next turn."""
        for session in self._loop.ended():
            probe, done = self._running.pop(session)
            self._asyncio.call_soon(done, finish_or_unknown(probe, session))
            if self._waiting:
                check, transcript, waiting = self._waiting.popleft()
                self._begin(check, waiting, transcript=transcript)
        until = self._loop.until
        if self._timer is not None:
            if self._timer.when() <= until and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if until != float("inf"):
            self._timer = self._asyncio.call_at(until, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._turn()


def _room() -> int:
    """Returns how many descriptors there are for probes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = soft if soft != resource.RLIM_INFINITY else 1 << 20
    # One that fetches over passive data connections has two.
    return max(16, (soft - _SPARE_DESCRIPTORS) // 2)
