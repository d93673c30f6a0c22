"""Name look-ups in threads, so that a look-up without an answer delays no other.

getaddrinfo() cannot be interrupted. A name whose zone is dead occupies its thread for the C library's timeouts (10 s
for each name server), longer than the check that asked. Therefore a thread counts against the small limit at_once only
while its look-up is fresh: healthy names are answered within that time, and the next look-up gets a new thread. All
threads have a larger limit, a part of which is for names known to be slow, or unknown names of a zone with slow ones
running. A look-up without a free thread waits; if that makes it too late, this machine has failed, not the peer.
"""

from __future__ import annotations

# _socket, not socket: the wrapper imports selectors and enum, which cost as much as a bare interpreter start.
import _socket
import _thread
import os
from time import monotonic, sleep

from ..address import of_family
from ..errors import LocalError, NotResolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..address import Address

_lock = _thread.allocate_lock()

# The seconds for which a look-up is fresh; a name server on this machine or in its network answers within that time.
_FRESH = 0.02
# A name is slow when its look-up took more seconds than this, or when every check that waited for it gave up.
_SLOW = 1.0
# A look-up that waited longer than this for a thread was delayed by this machine, so a missed deadline is its fault.
_LONG_WAIT = 0.5
# The most names that are remembered as slow or fast; enough for a survey of 20,000 hosts.
_MOST_NAMES = 65536


class LookUp:
    """The look-up of one caller, with a descriptor that becomes readable when it is done."""

    __slots__ = ("_descriptor", "_question", "_asked", "_begun", "_is_late")

    def __init__(self, question: Question) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._question = question
        self._asked = monotonic()
        self._begun = 0.0
        self._is_late = False

    def fileno(self) -> int:
        """The descriptor to wait on; -1 once closed."""
        return self._descriptor

    @property
    def done(self) -> bool:
        """Whether the call has returned or raised."""
        return self._question.done

    @property
    def has_waited(self) -> bool:
        """Whether it waited for a thread so long that this machine, not a name server, is to blame for the delay."""
        return (self._begun or monotonic()) - self._asked > _LONG_WAIT

    def result(self) -> Any:
        """Returns the value of the call or raises its exception; valid only when done is true."""
        if self._question.error is not None:
            # Several look-ups may share one error, and each raise would lengthen its traceback.
            raise self._question.error.with_traceback(None)
        return self._question.value

    def close(self) -> None:
        """Cancels the look-up: a queued question that no other look-up waits for never runs."""
        with _lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
                self._question.forget(self)


class Question:
    """One call of getaddrinfo(), and the look-ups that wait for it; the caller of a method must hold the lock."""

    __slots__ = ("resolver", "key", "name", "call", "waiting", "value", "error", "done", "began", "is_slow", "is_lost")

    def __init__(self, resolver: Resolver, key: tuple[Any, ...], name: str, call: Callable[[], object]) -> None:
        self.resolver = resolver
        self.key = key
        self.name = name
        self.call = call
        self.waiting: list[LookUp] = []
        self.value: Any = None
        self.error: BaseException | None = None
        self.done = False
        self.began = 0.0
        # is_slow: it is counted among the slow ones. is_lost: all look-ups that waited for the running call gave up.
        self.is_slow = self.is_lost = False

    @property
    def zone(self) -> str:
        """The presumed zone: the name without its first label."""
        return self.name.partition(".")[2] or self.name

    def forget(self, look_up: LookUp) -> None:
        """Removes a look-up that no longer waits."""
        if look_up in self.waiting:
            self.waiting.remove(look_up)
            if not self.waiting and self.began and not self.done:
                self.is_lost = True
                self.resolver.mark_slow(self)


class Resolver:
    """Threads for look-ups: at most limit in all, at_once of them with fresh look-ups and slow of them with slow names.

    A thread in getaddrinfo() takes 20 kB. Threads are not joined at exit: a call that never returns must not delay the
    result.
    """

    __slots__ = ("limit", "_at_once", "_slow", "_open", "_queues", "_fresh", "_zones", "_names", "_counts", "_ticks")

    def __init__(self, limit: int = 4096, *, slow: int = 3072, at_once: int = 64) -> None:
        self.limit = limit
        self._slow = slow
        self._at_once = at_once
        self._open: dict[tuple[Any, ...], Question] = {}
        # The first queue has the names that are not known to be slow, the second one the slow names.
        self._queues: tuple[list[Question], list[Question]] = [], []
        self._fresh: dict[Question, None] = {}
        self._zones: dict[str, int] = {}
        self._names: dict[str, bool] = {}
        # The number of running threads, and how many of them look up slow names.
        self._counts = [0, 0]
        self._ticks = False

    def ask(self, key: tuple[Any, ...], name: str, call: Callable[[], object]) -> LookUp:
        """Queues the call for the next free thread; look-ups with the same key share a call that has not returned.

        Raises OSError without a descriptor, RuntimeError when no thread runs and none can be started.
        """
        question = Question(self, key, name, call)
        look_up = LookUp(question)
        with _lock:
            known = self._open.get(key)
            if known is not None:
                look_up._question = known
                look_up._is_late = known.is_lost
                look_up._begun = look_up._asked if known.began else 0.0
                known.waiting.append(look_up)
                return look_up
            question.waiting.append(look_up)
            self._enqueue(question)
            try:
                self._staff()
            except RuntimeError:
                if not self._counts[0]:
                    self._dequeue(question)
                    os.close(look_up._descriptor)
                    look_up._descriptor = -1
                    raise
        return look_up

    def mark_slow(self, question: Question) -> None:
        """Counts a running question among the slow ones."""
        self._remember(question.name, True)
        if not question.is_slow:
            question.is_slow = True
            self._counts[1] += 1
            self._zones[question.zone] = self._zones.get(question.zone, 0) + 1

    def _remember(self, name: str, slow: bool) -> None:
        if len(self._names) >= _MOST_NAMES and name not in self._names:
            self._names.clear()
        self._names[name] = slow

    def _enqueue(self, question: Question) -> None:
        self._open[question.key] = question
        known = self._names.get(question.name)
        self._queues[question.zone in self._zones if known is None else known].append(question)

    def _dequeue(self, question: Question) -> None:
        del self._open[question.key]
        for queue in self._queues:
            if question in queue:
                queue.remove(question)

    def _staff(self) -> None:
        """Starts threads for queued questions up to the limits; RuntimeError when no thread can be started."""
        while question := self._next():
            try:
                _thread.start_new_thread(self._work, (question,))
            except RuntimeError:
                # A running thread takes the question up when its own one is done; ask() handles the case without any.
                self._uncount(question)
                question.began = 0.0
                for look_up in question.waiting:
                    look_up._begun = 0.0
                self._queues[0].insert(0, question)
                raise
        self._wake_up()

    def _wake_up(self) -> None:
        """Starts the ticking thread when queued questions wait for fresh ones to age: no other event occurs then."""
        if self._waits_for_time() and not self._ticks:
            try:
                _thread.start_new_thread(self._tick, ())
                self._ticks = True
            except RuntimeError:
                # The next thread to finish its question takes up a queued one.
                pass

    def _waits_for_time(self) -> bool:
        return len(self._fresh) >= self._at_once and any(self._queues)

    def _next(self) -> Question | None:
        """Dequeues and counts the next question to run; returns None when none is queued or a limit is reached."""
        now = monotonic()
        while self._fresh and now - next(iter(self._fresh)).began > _FRESH:
            del self._fresh[next(iter(self._fresh))]
        for slow, queue in enumerate(self._queues):
            while queue:
                if not queue[0].waiting:
                    del self._open[queue.pop(0).key]
                elif (
                    len(self._fresh) >= self._at_once
                    or self._counts[0] >= self.limit
                    or (slow and self._counts[1] >= self._slow)
                ):
                    break
                else:
                    question = queue.pop(0)
                    self._begin(question, now, bool(slow))
                    return question
        return None

    def _begin(self, question: Question, now: float, slow: bool) -> None:
        question.began = now
        for look_up in question.waiting:
            look_up._begun = now
        self._counts[0] += 1
        self._fresh[question] = None
        if slow:
            self.mark_slow(question)

    def _uncount(self, question: Question) -> None:
        self._counts[0] -= 1
        self._fresh.pop(question, None)
        if question.is_slow:
            question.is_slow = False
            self._counts[1] -= 1
            left = self._zones.get(question.zone, 0) - 1
            if left > 0:
                self._zones[question.zone] = left
            else:
                self._zones.pop(question.zone, None)

    def _end(self, question: Question) -> None:
        question.done = True
        self._uncount(question)
        del self._open[question.key]
        self._remember(question.name, question.is_lost or monotonic() - question.began > _SLOW)
        # Look-ups that joined a question after all earlier ones had given up get a new call when this one fails: the
        # name servers of the zone may have recovered since it began.
        late = [one for one in question.waiting if one._is_late] if question.error is not None else []
        if late:
            again = Question(self, question.key, question.name, question.call)
            again.waiting = late
            for one in late:
                one._question, one._is_late = again, False
                one._asked, one._begun = monotonic(), 0.0
            self._enqueue(again)
        for look_up in question.waiting:
            if look_up not in late:
                os.eventfd_write(look_up._descriptor, 1)
        question.waiting = []

    def _work(self, first: Question) -> None:
        question: Question | None = first
        while question is not None:
            try:
                question.value = question.call()
            except BaseException as error:
                question.error = error
            with _lock:
                self._end(question)
                question = self._next()
                self._wake_up()

    def _tick(self) -> None:
        while True:
            sleep(_FRESH / 2)
            with _lock:
                try:
                    self._staff()
                except RuntimeError:
                    # The next thread to finish its question takes up a queued one.
                    pass
                if not self._waits_for_time():
                    self._ticks = False
                    return


LOOK_UPS = Resolver()


def _leave_to_parent() -> None:
    """Drops, in a forked process, the parent's look-ups: fork() copies no other thread, but a lock that one holds."""
    global _lock, LOOK_UPS
    _lock = _thread.allocate_lock()
    LOOK_UPS = Resolver()


os.register_at_fork(after_in_child=_leave_to_parent)


def look_up(host: str, port: int, family: int, kind: int) -> LookUp:
    """Starts the look-up of a name; its result() returns the addresses or raises NotResolved. Raises LocalError."""

    def work() -> tuple[Address, ...]:
        try:
            # bytes, because getaddrinfo() loads the idna codec for every str, even an ASCII one.
            name = host.encode() if host.isascii() else host.encode("idna")
            try:
                return _addresses(name, port, family, kind)
            except _socket.gaierror as error:
                # Without a free descriptor for /etc/hosts, every name is unknown; eventfd() fails then too.
                os.close(os.eventfd(0, os.EFD_CLOEXEC))
                raise NotResolved(str(error.args[-1])) from error
        except UnicodeError as error:
            raise NotResolved(f"not a name: {host!r}") from error
        except OSError as error:
            # The C library lacks a resource of this machine, such as a descriptor.
            raise LocalError(f"cannot look up {host}: {error.strerror}") from error
        except ValueError as error:
            raise NotResolved(str(error)) from None

    try:
        return LOOK_UPS.ask((host, port, family, kind), host.lower(), work)
    except (OSError, RuntimeError) as error:
        # No descriptor or no thread is left.
        raise LocalError(f"cannot look up {host}: {error}") from error


def _addresses(name: bytes, port: int, family: int, kind: int) -> tuple[Address, ...]:
    """Calls getaddrinfo(), which may block for longer than any check."""
    found = _socket.getaddrinfo(name, port, family, kind)
    return of_family(found, family, name.decode(errors="replace"))  # type: ignore[arg-type]  # as in address.literal()
