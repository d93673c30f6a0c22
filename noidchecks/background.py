"""Blocking calls in the background, each with a descriptor that becomes readable when it is done."""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_lock = _thread.allocate_lock()


class Full(Exception):
    """As many threads as there may be are at work; limit tells how many."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"all {limit} threads are at work")
        self.limit = limit


class Pool:
    """Threads for calls of one kind, at most limit of them; a call too many is turned away.

    The threads are not joined at exit: a call that never returns must not hold the answer back.
    """

    __slots__ = ("limit", "_threads")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._threads = 0

    def take(self, job: Job) -> None:
        """Has the job run at once; Full, RuntimeError when no thread can be started."""
        with _lock:
            if self._threads >= self.limit:
                raise Full(self.limit)
            self._threads += 1
        try:
            _thread.start_new_thread(self._work, (job,))
        except BaseException:
            with _lock:
                self._threads -= 1
            raise

    def _work(self, job: Job) -> None:
        with _lock:
            abandoned = job.fileno() < 0
        if not abandoned:
            job.run()
        with _lock:
            self._threads -= 1


# None waits: silent servers would be a wait for healthy ones, which would look like theirs. A thousand sessions fit in,
# each with a thread that is just being stopped.
SESSIONS = Pool(2048)


class Job:
    """One blocking call, run by a thread of the pool; Full, OSError, RuntimeError when it cannot be."""

    __slots__ = ("_call", "_descriptor", "_value", "_error", "_done")

    def __init__(self, call: Callable[[], object], pool: Pool = SESSIONS) -> None:
        self._call = call
        self._value: Any = None
        self._error: BaseException | None = None
        self._done = False
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            pool.take(self)
        except BaseException:
            Job.close(self)
            raise

    def fileno(self) -> int:
        """The descriptor to wait on; -1 once closed."""
        return self._descriptor

    @property
    def done(self) -> bool:
        """Whether the call has returned or raised."""
        return self._done

    def result(self) -> Any:
        """Returns what the call returned, or raises what it raised; only after done."""
        if self._error is not None:
            raise self._error
        return self._value

    def close(self) -> None:
        """Forgets the call: one not yet begun never runs, the outcome of a running one is dropped."""
        with _lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def run(self) -> None:
        """Makes the call; for the thread."""
        try:
            self._value = self._call()
        except BaseException as error:
            self._error = error
        # Under the lock, because a closed descriptor's number may already be another file's.
        with _lock:
            self._done = True
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)
