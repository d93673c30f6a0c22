"""Runs the check commands of the guardian: noidchecks' plugins in this process, all others as processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from noidchecks.descriptors import limit
from noidchecks.drivers.aio import AsyncLoop
from noidchecks.drivers.session import Session
from noidchecks.errors import LocalError, UsageError
from noidchecks.plugin.plugin import PLUGINS, InformationWanted, parse
from noidchecks.probe import finish_or_unknown, start
from noidchecks.server import MOST_DESCRIPTORS
from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.status.text import printable

from .fair_queue import FairQueue
from .process import ProcessPool

if TYPE_CHECKING:
    from noidchecks.contract import Probe

# Descriptors kept free for everything else in the process.
_SPARE_DESCRIPTORS = 256
# Concurrent processes. With more, the load of this machine shows in the measured response times.
MOST_PROCESSES = 128

Done = Callable[[Result], object]


@dataclass(slots=True, eq=False)
class Check:
    """A command line for one address, with a deadline in seconds.

    A shorter -t in the command line wins. check_ftp and the others run in this process when named without a path; a
    path is always started as a process.
    """

    words: Sequence[str]
    timeout: float
    _probe: Probe | Result | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the check runs in this process."""
        return self.words[0] in PLUGINS

    @property
    def deadline(self) -> float:
        """The effective deadline in seconds: the shorter one of timeout and the command line's -t."""
        probe = self.probe() if self.is_ours else None
        return self.timeout if probe is None or isinstance(probe, Result) else probe.timeout

    def probe(self) -> Probe | Result:
        """Returns the parsed probe, or an UNKNOWN result when the command line is wrong; parsed once."""
        if self._probe is None:
            self._probe = self._parsed()
        return self._probe

    def _parsed(self) -> Probe | Result:
        try:
            probe = parse(self.words).probe
        except InformationWanted:
            return self._unknown("it checks nothing, it prints a text")
        except UsageError as error:
            return self._unknown(printable(str(error)))
        own = probe.timeout
        allowed = min(own, self.timeout) if own > 0 else self.timeout
        return probe if own == allowed else probe.replace(timeout=allowed)  # type: ignore[attr-defined]  # a Value

    def _unknown(self, text: str) -> Result:
        # A LocalError, so that a wrong command line takes no backend out.
        return Result(State.UNKNOWN, f"{self.words[0]} UNKNOWN - {text}", failure=LocalError(text))


class CheckRunner:
    """Runs checks on the running asyncio loop; the checks in this process share one epoll descriptor in it."""

    def __init__(self, *, most: int | None = None, most_processes: int = MOST_PROCESSES) -> None:
        self._asyncio = asyncio.get_running_loop()
        self._loop = AsyncLoop()
        self._foreign = ProcessPool(most_processes)
        self._queue = FairQueue(most if most is not None else _room())

    def start(
        self,
        check: Check,
        done: Done,
        *,
        farm: str = "",
        begun: Callable[[], object] | None = None,
        transcript: bool = False,
    ) -> None:
        """Starts a check, or queues it at the limit, fairly by farm.

        begun is called when it starts; done gets its result, never before this method returns.
        """
        if check.is_ours:
            self._queue.put(farm, partial(self._begin, check, done, farm, begun, transcript=transcript))
        else:
            self._foreign.start(check.words, check.timeout, done, farm=farm, begun=begun)

    async def close(self) -> None:
        """Ends all checks without reporting their results."""
        self._queue.clear()
        self._loop.close()
        await self._foreign.close()

    def _begin(
        self, check: Check, done: Done, farm: str, begun: Callable[[], object] | None, *, transcript: bool
    ) -> None:
        if begun is not None:
            begun()
        probe = check.probe()
        if isinstance(probe, Result):
            self._asyncio.call_soon(self._ended, farm, done, probe)
            return

        def ended(session: Session) -> None:
            self._ended(farm, done, finish_or_unknown(probe, session))

        self._loop.start(start(probe, transcript=transcript), ended)

    def _ended(self, farm: str, done: Done, result: Result) -> None:
        self._queue.end(farm)
        done(result)


def _room() -> int:
    """Returns the number of concurrent checks that the limit of open files allows, whichever they are."""
    return max(16, (limit() - _SPARE_DESCRIPTORS) // MOST_DESCRIPTORS)
