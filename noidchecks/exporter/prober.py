"""Runs the probes of HTTP requests: a limited number at a time, each within its deadline."""

from __future__ import annotations

import asyncio
import time

from ..address import STREAM, literal
from ..descriptors import SPARE, limit, raise_limit
from ..drivers.aio import AsyncLoop
from ..probe import finish_or_unknown, start
from ..server import MOST_DESCRIPTORS
from .admission import Admission
from .errors import RequestError
from .metrics import ProbeOutcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..server import Server
    from .allowed import AllowList
    from .module import Module
    from .target import Target

# The most clients, which also take at most a quarter of the descriptors. Prometheus has a connection for each running
# scrape.
_MOST_CLIENTS = 2048
# The longest wait for a turn as a share of the deadline; a longer one would leave too little time to the server.
_LONGEST_WAIT = 0.5
_INSTANT = 0.005
# The most cached probe objects: creating one validates it, which takes a tenth of the time of the probe itself.
_MOST_PROBES = 4096


class Prober:
    """Runs probes on the running asyncio loop, at most concurrency at a time; ten times as many requests may wait."""

    def __init__(self, concurrency: int) -> None:
        self._loop = AsyncLoop()
        self.concurrency = concurrency
        # The waiting requests in the order of their arrival.
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._made: dict[tuple[int, Target, float], tuple[Module, Server]] = {}

    @property
    def running(self) -> int:
        """The number of running probes."""
        return self._running

    @property
    def waiting(self) -> int:
        """The number of requests that wait for their turn."""
        return len(self._waiting)

    async def settle(self) -> None:
        """Waits until no probe is running and no request waits for its turn."""
        await self._idle.wait()

    def close(self) -> None:
        """Ends the running probes."""
        self._loop.close()

    async def probe(self, module: Module, target: Target, deadline: float, allowed: AllowList) -> ProbeOutcome:
        """Probes a target within deadline seconds; RequestError when it is not allowed or gets no turn."""
        by_name = _is_named(target, allowed)
        began = time.monotonic()
        await self._take_turn(deadline)
        try:
            waited = time.monotonic() - began
            # The time that was not spent in the queue. After a negligible wait, the deadline itself is used, so that
            # the cached probe can be used again.
            probe = self._probe_of(module, target, deadline if waited < _INSTANT else deadline - waited)
            admission = Admission(allowed, by_name=by_name)
            session = start(probe, transcript=True, perform=admission.performers)
            await self._loop.run(session)
        finally:
            self._give_turn()
        if admission.refused:
            raise _not_allowed(target)
        result = finish_or_unknown(probe, session)
        return ProbeOutcome(module, target, result, timeout=deadline, finished=time.time(), address=admission.address)

    def _probe_of(self, module: Module, target: Target, timeout: float) -> Server:
        # By identity, because a reload may replace a module by another one of the same name.
        key = id(module), target, timeout
        kept = self._made.get(key)
        if kept is not None and kept[0] is module:
            return kept[1]
        if len(self._made) >= _MOST_PROBES:
            self._made.clear()
        probe = module.probe(target, timeout)
        self._made[key] = module, probe
        return probe

    async def _take_turn(self, deadline: float) -> None:
        if self._running < self.concurrency:
            self._running += 1
            self._idle.clear()
            return
        busy = f"all {self.concurrency} probes that may run at a time are under way: raise --concurrency"
        if len(self._waiting) >= 10 * self.concurrency:
            raise RequestError(busy, 503)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            async with asyncio.timeout(deadline * _LONGEST_WAIT):
                await turn
        except BaseException as error:
            self._waiting.pop(turn, None)
            if turn.done() and not turn.cancelled():
                self._give_turn()
            if isinstance(error, TimeoutError):
                raise RequestError(busy, 503) from None
            raise

    def _give_turn(self) -> None:
        while self._waiting:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1
        if not self._running:
            self._idle.set()


def room(concurrency: int) -> tuple[int, int]:
    """Returns the most probes and the most clients that the descriptors of this process allow.

    It raises the soft limit of descriptors to the hard one.
    """
    raise_limit()
    descriptors = limit()
    clients = max(16, min(_MOST_CLIENTS, descriptors // 4))
    return max(1, min(concurrency, (descriptors - clients - SPARE) // MOST_DESCRIPTORS)), clients


def _is_named(target: Target, allowed: AllowList) -> bool:
    """Tells whether a pattern allows the target's name, whatever its addresses; RequestError for a forbidden address.

    A name that matches no pattern is checked by its addresses, within the probe.
    """
    try:
        found = literal(target.host, target.port or 1, 0, STREAM)
    except ValueError:
        raise RequestError(f"target {target} is neither a host name nor an address") from None
    if found is None:
        is_named = allowed.has_name(target.host)
        if not is_named and not allowed.networks:
            raise _not_allowed(target)
        return is_named
    if not any(allowed.has_address(address.host) for address in found):
        raise _not_allowed(target)
    return False


def _not_allowed(target: Target) -> RequestError:
    return RequestError(f"target {target} is not allowed: add its network or a pattern of its name to allow", 403)
