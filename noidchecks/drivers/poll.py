"""Many dialogues at a time on epoll, without asyncio."""

from __future__ import annotations

import select
from heapq import heapify, heappop, heappush
from time import monotonic

from .session import pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .session import Session

_NEVER = float("inf")
_STALE_TIMERS = 64
# New sessions between two looks at the running ones: more of them would wait in our own queue, and report that wait as
# the peer's response time.
_BURST = 4


class WaitUntil:
    """Among sessions to be run: a monotonic time before which nothing more is started, nor taken from the iterator."""

    __slots__ = ("time",)

    def __init__(self, time: float) -> None:
        self.time = time


def run_many(sessions: Iterator[Session | WaitUntil], concurrency: int) -> Iterator[Session]:
    """Runs sessions, at most concurrency at once, and yields each as it ends.

    Sessions are taken only when they are started. Closing the generator closes what is running.
    """
    loop = Loop()
    try:
        due = 0.0
        more = True
        while more or loop.running:
            started = 0
            while more and started < _BURST and len(loop.running) < concurrency and monotonic() >= due:
                item = next(sessions, None)
                if item is None:
                    more = False
                elif isinstance(item, WaitUntil):
                    due = item.time
                else:
                    started += 1
                    loop.start(item)
                    # Before the iterator is asked again, which may raise: what has ended is to be handed out.
                    yield from loop.ended()
            if more and len(loop.running) < concurrency:
                loop.turn(due)
            elif loop.running:
                loop.turn(_NEVER)
            yield from loop.ended()
    finally:
        loop.close()


class _Task:
    """A running session with what the loop has armed for it."""

    __slots__ = ("session", "fd", "timer")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.fd = -1
        self.timer = _NEVER


class Loop:
    """The running sessions, the descriptors that they wait for and the times at which they stop waiting."""

    __slots__ = ("running", "_epoll", "_by_fd", "_timers", "_sequence", "_ended")

    def __init__(self) -> None:
        self.running: dict[Session, _Task] = {}
        self._epoll = select.epoll()
        self._by_fd: dict[int, _Task] = {}
        # (time, sequence, task); only the entry of the time that its task has as timer counts, the others are stale.
        self._timers: list[tuple[float, int, _Task]] = []
        self._sequence = 0
        self._ended: list[Session] = []

    def fileno(self) -> int:
        """The descriptor that is readable when one of those is ready that the sessions wait for."""
        return self._epoll.fileno()

    @property
    def until(self) -> float:
        """The monotonic time at which turn() is to be called though nothing is ready."""
        return self._timers[0][0] if self._timers else _NEVER

    def start(self, session: Session) -> None:
        """Takes in a session and advances it as far as it goes."""
        task = self.running[session] = _Task(session)
        self._advance(task)

    def turn(self, limit: float, most: int = -1) -> None:
        """Waits for the first descriptor or timer, at most until the limit, and advances what is due.

        most bounds the descriptors, where the caller has other work than this loop; the others are taken next time.
        """
        if self._timers:
            limit = min(limit, self._timers[0][0])
        for fd, _ in self._epoll.poll(pause(limit), most):
            task = self._by_fd.get(fd)
            if task is not None and task.session.fd == fd:
                self._advance(task)
        now = monotonic()
        while self._timers and self._timers[0][0] <= now:
            due, _, task = heappop(self._timers)
            if due != task.timer:
                continue
            task.timer = _NEVER
            if task.session.until <= now:
                self._advance(task)
            else:
                self._set_timer(task)

    def ended(self) -> Iterator[Session]:
        """Yields the sessions that have ended since the last call."""
        while self._ended:
            yield self._ended.pop()

    def cancel(self, session: Session) -> None:
        """Closes a running session, which then is not among those that have ended; harmless for another one."""
        task = self.running.get(session)
        if task is not None:
            self._forget(task)
            session.close()

    def close(self) -> None:
        """Closes what is running."""
        for session in self.running:
            session.close()
        self._epoll.close()

    def _advance(self, task: _Task) -> None:
        if task.session.advance():
            self._arm(task)
            self._set_timer(task)
            return
        self._forget(task)
        self._ended.append(task.session)

    def _forget(self, task: _Task) -> None:
        del self.running[task.session]
        task.timer = _NEVER
        if self._by_fd.get(task.fd) is task:
            del self._by_fd[task.fd]

    def _arm(self, task: _Task) -> None:
        # One-shot, because a session may have closed the descriptor that it waited for before, and the number may be
        # another file's by now: arming it again each time needs no memory of what the kernel still knows.
        session = task.session
        if task.fd != session.fd and self._by_fd.get(task.fd) is task:
            del self._by_fd[task.fd]
        task.fd = session.fd
        if task.fd < 0:
            return
        self._by_fd[task.fd] = task
        events = session.events | select.EPOLLONESHOT
        try:
            self._epoll.register(task.fd, events)
        except FileExistsError:
            self._epoll.modify(task.fd, events)

    def _set_timer(self, task: _Task) -> None:
        until = task.session.until
        if until < task.timer:
            task.timer = until
            self._sequence += 1
            heappush(self._timers, (until, self._sequence, task))
            if len(self._timers) > 2 * len(self.running) + _STALE_TIMERS:
                # They would keep what has ended in memory until its deadline.
                self._timers = [entry for entry in self._timers if entry[0] == entry[2].timer]
                heapify(self._timers)
