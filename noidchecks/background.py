"""Blocking calls in the background, each with a descriptor that becomes readable when it is done."""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# A dead resolver holds each of its threads for the resolver's own time-out; more of them would not be faster.
MAX_THREADS = 64

_lock = _thread.allocate_lock()
_waiting: list[Job] = []
_threads = 0


class Job:
    """One blocking call, run by a thread of its own or as soon as one of at most MAX_THREADS is free.

    The threads are not joined at exit: a call that never returns must not hold the answer back.
    """

    __slots__ = ("_call", "_descriptor", "_value", "_error", "_done")

    def __init__(self, call: Callable[[], object]) -> None:
        global _threads
        self._call = call
        self._value: Any = None
        self._error: BaseException | None = None
        self._done = False
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        with _lock:
            _waiting.append(self)
            if _threads >= MAX_THREADS:
                return
            _threads += 1
        try:
            _thread.start_new_thread(_work, ())
        except BaseException:
            with _lock:
                _threads -= 1
            self.close()
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

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:
            self._error = error
        # Under the lock, because a closed descriptor's number may already be another file's.
        with _lock:
            self._done = True
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)


def _work() -> None:
    global _threads
    while True:
        with _lock:
            if not _waiting:
                _threads -= 1
                return
            job = _waiting.pop(0)
            abandoned = job.fileno() < 0
        if not abandoned:
            job._run()
