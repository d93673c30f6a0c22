"""Runs the probes that HTTP requests ask for: a bounded number at a time, each within its deadline."""

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

# Clients, as far as a quarter of the descriptors serves them. Prometheus has as many connections as scrapes under way.
_MOST_CLIENTS = 2048
# A request that waits longer than this part of its deadline for its turn would leave the server too little.
_LONGEST_WAIT = 0.5
_INSTANT = 0.005
# Probes that are kept made: making one validates it, which takes a tenth of what the probe itself does.
_MOST_PROBES = 4096


class Prober:
    """Probes on the running asyncio loop: at most concurrency at a time, and ten times as many in the queue."""

    def __init__(self, concurrency: int) -> None:
        self._loop = AsyncLoop()
        self.concurrency = concurrency
        # In the order in which they came.
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._made: dict[tuple[int, Target, float], tuple[Module, Server]] = {}

    @property
    def running(self) -> int:
        """How many probes are under way."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    async def settle(self) -> None:
        """Waits until no probe is under way and no request waits for its turn."""
        await self._idle.wait()

    def close(self) -> None:
        """Ends what is under way."""
        self._loop.close()

    async def probe(self, module: Module, target: Target, deadline: float, allowed: AllowList) -> ProbeOutcome:
        """Probes a target within a deadline in seconds; RequestError when it may not be probed or finds no turn."""
        by_name = _is_named(target, allowed)
        began = time.monotonic()
        await self._take_turn(deadline)
        try:
            waited = time.monotonic() - began
            # What was not spent in the queue. Without a queue it is the same every time: a probe that is made is kept.
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
        # By identity: modules of one name may be others after the file was read again.
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
    """Returns how many probes and how many clients there may be with the descriptors of this process.

    It raises their number to the limit that the process may raise it to.
    """
    raise_limit()
    descriptors = limit()
    clients = max(16, min(_MOST_CLIENTS, descriptors // 4))
    return max(1, min(concurrency, (descriptors - clients - SPARE) // MOST_DESCRIPTORS)), clients


def _is_named(target: Target, allowed: AllowList) -> bool:
    """Tells whether the target's name is allowed, whatever its addresses are; RequestError for an address that is not.

    A name that no pattern matches is judged by its addresses, within the probe.
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
