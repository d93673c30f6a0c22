"""Runs many dialogues at a time on epoll, without asyncio."""

from __future__ import annotations

import select
from heapq import heapify, heappop, heappush
from time import monotonic

from .session import pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .session import Session

_NEVER = float("inf")
_STALE_TIMERS = 64
# The most sessions that are started between two polls of the running ones: while more of them are started, answers to
# the running ones would wait in this process, and that wait would be reported as the peer's response time.
_BURST = 4
# Seconds between two calls of is_stopped(). A signal ends epoll's wait only when its handler raises (PEP 475), and such
# a handler could raise at any other point too: between a result and its delivery, or while a lock is held.
_TICK = 0.25


class WaitUntil:
    """An item among the sessions of run_many(): nothing further is taken or started before this monotonic time."""

    __slots__ = ("time",)

    def __init__(self, time: float) -> None:
        self.time = time


def run_many(
    sessions: Iterator[Session | WaitUntil],
    concurrency: int,
    *,
    has_room: Callable[[], bool] = lambda: True,
    is_stopped: Callable[[], bool] | None = None,
) -> Iterator[Session]:
    """Runs sessions, at most concurrency at once, starts none while has_room() is false, and yields each as it ends.

    A session is taken from the iterator only when it can be started. has_room() must be true when no session runs.
    Closing the generator closes the running sessions. The generator ends in the same way within a quarter of a second
    after is_stopped() has become true, after it has yielded the sessions that have ended by then. The clock of the
    sessions stands still while the caller has control, at a yield or in the iterator: the loop reads no answers then,
    which must not count as the peers' time.
    """
    loop = Loop()
    tick = _NEVER if is_stopped is None else _TICK

    def may_start() -> bool:
        return len(loop.running) < concurrency and has_room()

    def ended() -> Iterator[Session]:
        for session in loop.ended():
            left = loop.clock.time()
            yield session
            loop.clock.resume(left)

    try:
        due = 0.0
        more = True
        while (more or loop.running) and not (is_stopped is not None and is_stopped()):
            started = 0
            while more and started < _BURST and monotonic() >= due and may_start():
                left = loop.clock.time()
                item = next(sessions, None)
                loop.clock.resume(left)
                if item is None:
                    more = False
                elif isinstance(item, WaitUntil):
                    due = item.time
                else:
                    started += 1
                    loop.start(item)
                    # Yielded before the iterator is used again: it may raise, and ended sessions would be lost.
                    if loop.has_ended:
                        yield from ended()
            if more or loop.running:
                limit = due if more and may_start() else _NEVER
                loop.turn(min(limit, monotonic() + tick))
            yield from ended()
    finally:
        loop.close()


class Clock:
    """The clock of the sessions' deadlines and timings: monotonic time, less the seconds for which it stood still.

    It is separate from the loop, because sessions must not refer to the loop: such a reference cycle would keep both in
    memory until the garbage collector runs.
    """

    __slots__ = ("stood",)

    def __init__(self) -> None:
        self.stood = 0.0

    def time(self) -> float:
        """Returns the clock's time in seconds."""
        return monotonic() - self.stood

    def resume(self, time: float) -> None:
        """Sets the clock back to a time that time() has returned, as if it had stood still since then."""
        self.stood = monotonic() - time


class Loop:
    """The running sessions, the descriptors that they wait for and the times at which they stop waiting."""

    __slots__ = ("running", "clock", "_epoll", "_by_fd", "_timers", "_sequence", "_ended")

    def __init__(self) -> None:
        self.running: set[Session] = set()
        self.clock = Clock()
        self._epoll = select.epoll()
        self._by_fd: dict[int, Session] = {}
        # A heap of (time, sequence, session). An entry is valid while its time equals session.timer; the others are
        # stale, and are skipped when they are popped.
        self._timers: list[tuple[float, int, Session]] = []
        self._sequence = 0
        self._ended: list[Session] = []

    def fileno(self) -> int:
        """The epoll descriptor, which is readable when a descriptor that a session waits for is ready."""
        return self._epoll.fileno()

    @property
    def until(self) -> float:
        """The monotonic time at which turn() must be called although no descriptor is ready."""
        return self._timers[0][0] + self.clock.stood if self._timers else _NEVER

    def start(self, session: Session) -> None:
        """Adds a session and advances it until it has to wait or has ended."""
        session.clock = self.clock.time
        self.running.add(session)
        self._advance(session)

    def turn(self, limit: float, most: int = -1) -> None:
        """Waits for the first descriptor or timer, at most until the limit, and advances the sessions that are due.

        most bounds the descriptors and the timers, where the caller has other work than this loop; the others are taken
        next time.
        """
        for fd, _ in self._epoll.poll(pause(min(limit, self.until)), most):
            session = self._by_fd.get(fd)
            if session is not None and session.fd == fd:
                self._advance(session)
        now = self.clock.time()
        while most and self._timers and self._timers[0][0] <= now:
            due, _, session = heappop(self._timers)
            if due != session.timer:
                continue
            session.timer = _NEVER
            if session.until <= now:
                most -= 1
                self._advance(session)
            else:
                self._set_timer(session)

    @property
    def has_ended(self) -> bool:
        """Whether there are sessions that ended() would yield."""
        return bool(self._ended)

    def ended(self) -> Iterator[Session]:
        """Yields the sessions that have ended since the last call."""
        while self._ended:
            yield self._ended.pop()

    def cancel(self, session: Session) -> None:
        """Closes a running session, which ended() then does not yield; does nothing for a session that does not run."""
        if session in self.running:
            self._forget(session)
            session.close()

    def close(self) -> None:
        """Closes the running sessions."""
        for session in self.running:
            session.close()
        self._epoll.close()

    def _advance(self, session: Session) -> None:
        if session.advance():
            self._arm(session)
            if session.until < session.timer:
                self._set_timer(session)
            return
        self._forget(session)
        self._ended.append(session)

    def _forget(self, session: Session) -> None:
        self.running.discard(session)
        session.timer = _NEVER
        if self._by_fd.get(session.armed) is session:
            del self._by_fd[session.armed]

    def _arm(self, session: Session) -> None:
        # EPOLLONESHOT, because a session may have closed the descriptor that it waited for before, and its number may
        # have been reused: the registration is renewed for every wait, so the loop need not track the kernel's set.
        fd = session.fd
        if session.armed != fd and self._by_fd.get(session.armed) is session:
            del self._by_fd[session.armed]
        session.armed = fd
        if fd < 0:
            return
        self._by_fd[fd] = session
        events = session.events | select.EPOLLONESHOT
        try:
            self._epoll.register(fd, events)
        except FileExistsError:
            self._epoll.modify(fd, events)

    def _set_timer(self, session: Session) -> None:
        session.timer = session.until
        self._sequence += 1
        heappush(self._timers, (session.until, self._sequence, session))
        if len(self._timers) > 2 * len(self.running) + _STALE_TIMERS:
            # Stale entries would keep ended sessions in memory until their deadlines.
            self._timers = [entry for entry in self._timers if entry[0] == entry[2].timer]
            heapify(self._timers)
