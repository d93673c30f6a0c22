"""Runs sessions on an asyncio loop, which sees all of them as one descriptor and one timer.

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
# The most sessions that one iteration of the asyncio loop advances. After a delay of this process hundreds may be
# ready, and the other callbacks of the loop would wait for all of them.
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
        """Schedules the call for a time of the loop's clock, unless an earlier one is scheduled; infinity is never."""
        if self._handle is not None:
            if self._due <= due:
                return
            self.cancel()
        if due != _NEVER:
            self._handle, self._due = self._asyncio.call_at(due, self._fire), due

    def cancel(self) -> None:
        """Cancels the scheduled call, if any."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._call()


class AsyncLoop:
    """Runs thousands of sessions at a time on the asyncio loop that is running when the object is created."""

    __slots__ = ("_asyncio", "_loop", "_ended", "_timer")

    def __init__(self) -> None:
        self._asyncio = asyncio.get_running_loop()
        self._loop = Loop()
        self._ended: dict[Session, Callable[[Session], object]] = {}
        # The asyncio loop's clock and the sessions' clock are both time.monotonic().
        self._timer = Timer(self._asyncio, self._turn)
        self._asyncio.add_reader(self._loop.fileno(), self._turn)

    def __len__(self) -> int:
        """The number of sessions that run or whose end has not been reported yet."""
        return len(self._ended)

    def start(self, session: Session, ended: Callable[[Session], object]) -> None:
        """Starts a session; calls ended(session) when it has ended, but never before start() has returned."""
        self._ended[session] = ended
        self._loop.start(session)
        for one in self._loop.ended():
            # Deferred, because ended() must not run before start() has returned.
            self._asyncio.call_soon(self._report, one)
        self._timer.set(self._loop.until)

    def cancel(self, session: Session) -> None:
        """Closes a session without reporting its end; does nothing when it has ended."""
        if self._ended.pop(session, None) is not None:
            self._loop.cancel(session)

    def close(self) -> None:
        """Closes all sessions without reporting their ends."""
        self._ended.clear()
        self._timer.cancel()
        if not self._asyncio.is_closed():
            self._asyncio.remove_reader(self._loop.fileno())
        self._loop.close()

    async def run(self, session: Session) -> None:
        """Runs one session to its end; when the task is cancelled, closes everything that the session has opened."""
        over: asyncio.Future[None] = self._asyncio.create_future()

        def end(_: Session) -> None:
            # A cancelled task has cancelled the future too.
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
        # Called directly: call_soon() would cost each session an iteration of the asyncio loop.
        for session in self._loop.ended():
            try:
                self._report(session)
            except Exception as defect:
                # An exception in one callback must not keep the other callbacks from being called.
                message = "Exception in what a session's end was reported to"
                self._asyncio.call_exception_handler({"message": message, "exception": defect})

    def _report(self, session: Session) -> None:
        ended = self._ended.pop(session, None)
        if ended is not None:
            ended(session)


# One AsyncLoop per asyncio loop, for as long as run() has sessions on it. One per session would double the number of
# descriptors.
_SHARED: dict[asyncio.AbstractEventLoop, AsyncLoop] = {}


async def run(session: Session) -> None:
    """Runs one session to its end on the running loop; when the task is cancelled, closes what the session has opened.

    The session fails with LocalError when this machine has no descriptor left for the loop.
    """
    running = asyncio.get_running_loop()
    shared = _SHARED.get(running)
    if shared is None:
        # Entries of asyncio loops that were closed during checks: their run() never reaches its finally clause.
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
        # When several sessions end in one turn, the first task that resumes closes the loop.
        if not shared and _SHARED.get(running) is shared:
            del _SHARED[running]
            shared.close()
