"""The same dialogues on a running asyncio loop, which sees all of them as one descriptor and one timer.

asyncio watches the descriptor of the epoll loop in poll.py, not those of the sessions: a check then costs asyncio a
callback at its end, and no future or registration for each of its waits.
"""

from __future__ import annotations

import asyncio

from ..errors import LocalError
from .poll import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .session import Session

_NEVER = float("inf")
# Sessions that are advanced in one round of the asyncio loop. When this process was late there may be hundreds, and
# whatever else is due in the loop would wait for all of them.
_MOST_READY = 4


class Timer:
    """Calls a function at the earliest of the times for which it is set.

    The time is kept here, because uvloop's handle for a time that has passed has no when().
    """

    __slots__ = ("_asyncio", "_call", "_handle", "_due")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        self._asyncio = loop
        self._call = call
        self._handle: asyncio.TimerHandle | None = None
        self._due = _NEVER

    def set(self, due: float) -> None:
        """Has the function called at a time of the loop's clock, or earlier if it is set to that; infinity is never."""
        if self._handle is not None:
            if self._due <= due:
                return
            self.cancel()
        if due != _NEVER:
            self._handle, self._due = self._asyncio.call_at(due, self._fire), due

    def cancel(self) -> None:
        """Lets the function not be called; harmless when it is not set."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._call()


class AsyncLoop:
    """Runs sessions, thousands at a time, on the asyncio loop that runs when it is made."""

    __slots__ = ("_asyncio", "_loop", "_ended", "_timer")

    def __init__(self) -> None:
        self._asyncio = asyncio.get_running_loop()
        self._loop = Loop()
        self._ended: dict[Session, Callable[[Session], object]] = {}
        # The asyncio loop's clock is time.monotonic(), the sessions' too.
        self._timer = Timer(self._asyncio, self._turn)
        self._asyncio.add_reader(self._loop.fileno(), self._turn)

    def __len__(self) -> int:
        """How many sessions run, those included whose end is not yet reported."""
        return len(self._ended)

    def start(self, session: Session, ended: Callable[[Session], object]) -> None:
        """Starts a session; ended gets it when it has ended, never before this has returned."""
        self._ended[session] = ended
        self._loop.start(session)
        for one in self._loop.ended():
            # Not at once: the caller has yet to return.
            self._asyncio.call_soon(self._report, one)
        self._timer.set(self._loop.until)

    def cancel(self, session: Session) -> None:
        """Closes a session, whose end is not reported then; harmless when it has ended."""
        if self._ended.pop(session, None) is not None:
            self._loop.cancel(session)

    def close(self) -> None:
        """Closes all sessions, whose ends are not reported then."""
        self._ended.clear()
        self._timer.cancel()
        if not self._asyncio.is_closed():
            self._asyncio.remove_reader(self._loop.fileno())
        self._loop.close()

    async def run(self, session: Session) -> None:
        """Runs one session to its end; a cancelled task closes everything that it had opened."""
        over: asyncio.Future[None] = self._asyncio.create_future()

        def end(_: Session) -> None:
            # A task that was cancelled has cancelled the future too.
            if not over.done():
                over.set_result(None)

        try:
            self.start(session, end)
            await over
        finally:
            self.cancel(session)

    def _turn(self) -> None:
        self._loop.turn(0.0, _MOST_READY)
        self._timer.set(self._loop.until)
        # Here and not by call_soon(), which would cost each of them a round of the asyncio loop.
        for session in self._loop.ended():
            try:
                self._report(session)
            except Exception as defect:
                # The defect of one caller must not keep the ends of the others.
                message = "Exception in what a session's end was reported to"
                self._asyncio.call_exception_handler({"message": message, "exception": defect})

    def _report(self, session: Session) -> None:
        ended = self._ended.pop(session, None)
        if ended is not None:
            ended(session)


# One for each asyncio loop while sessions of run() are on it. One for each session would double the descriptors.
_SHARED: dict[asyncio.AbstractEventLoop, AsyncLoop] = {}


async def run(session: Session) -> None:
    """Runs one session to its end on the running loop; a cancelled task closes everything that it had opened.

    Where this machine has no descriptor for the loop, the session fails with LocalError.
    """
    running = asyncio.get_running_loop()
    shared = _SHARED.get(running)
    if shared is None:
        # Loops that were closed amid checks, which nothing ends any more.
        for closed in [one for one in _SHARED if one.is_closed()]:
            _SHARED.pop(closed).close()
        try:
            shared = _SHARED[running] = AsyncLoop()
        except OSError as error:
            session.close()
            session.failure = LocalError(f"cannot wait for connections: {error.strerror}")
            return
    try:
        await shared.run(session)
    finally:
        # Of several that end in one turn, the first one closes it.
        if not shared and _SHARED.get(running) is shared:
            del _SHARED[running]
            shared.close()
