"""Runs the commands of guardians: our own plugins in this very process, all others as processes."""

from __future__ import annotations

import asyncio
import resource
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from noidchecks.drivers.aio import AsyncLoop
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
    """The words of a command for one address, ready to be run with a deadline in seconds.

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
    """Runs checks on the running asyncio loop; thousands of ours share one descriptor in it."""

    def __init__(self, *, most: int | None = None, most_processes: int = MOST_PROCESSES) -> None:
        self._asyncio = asyncio.get_running_loop()
        self._loop = AsyncLoop()
        self._foreign = ProcessPool(most_processes)
        self._most = most if most is not None else _room()
        self._waiting: deque[tuple[Check, bool, Done]] = deque()

    def start(self, check: Check, done: Done, *, transcript: bool = False) -> None:
        """Runs a check; done gets its result, never before this has returned."""
        if not check.is_ours:
            self._foreign.start(check.words, check.timeout, done)
        elif len(self._loop) >= self._most:
            self._waiting.append((check, transcript, done))
        else:
            self._begin(check, done, transcript=transcript)

    async def close(self) -> None:
        """Ends everything that runs; nothing is reported any more."""
        self._waiting.clear()
        self._loop.close()
        await self._foreign.close()

    def _begin(self, check: Check, done: Done, *, transcript: bool) -> None:
        probe = check.probe()
        if isinstance(probe, Result):
            self._asyncio.call_soon(done, probe)
            return

        def ended(session: Session) -> None:
            while self._waiting and len(self._loop) < self._most:
                check, transcript, waiting = self._waiting.popleft()
                self._begin(check, waiting, transcript=transcript)
            done(finish_or_unknown(probe, session))

        self._loop.start(start(probe, transcript=transcript), ended)


def _room() -> int:
    """Returns how many descriptors there are for probes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = soft if soft != resource.RLIM_INFINITY else 1 << 20
    # One that fetches over passive data connections has two.
    return max(16, (soft - _SPARE_DESCRIPTORS) // 2)
