"""Name look-ups in threads: those that never end hold up no others.

getaddrinfo() cannot be interrupted. A name whose zone is dead holds its thread for the C library's own time-outs (10 s
for each name server), longer than the check that asked. So a thread counts against the few that run at once only while
its look-up is fresh: healthy names have their answer by then, and the next name gets a thread of its own. All threads
together have a bound, and names known to be slow (or unknown names of a zone with slow ones) may take only a part of
it. What finds no thread waits, and is this machine's failure, not the peer's.
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

# A name server on this machine or beside it answers within this time, in seconds.
_FRESH = 0.02
# A look-up that took this long, or that its check gave up on, makes its name a slow one.
_SLOW = 1.0
# What waited this long for a thread had not its whole time for the answer: too late is then this machine's doing.
_LONG_WAIT = 0.5
# How many names are remembered as slow or fast; a survey of 20,000 hosts fits in.
_MOST_NAMES = 65536


class LookUp:
    """One caller's look-up, with a descriptor that becomes readable when it is done."""

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
        """Returns what the call returned, or raises what it raised; only after done."""
        if self._question.error is not None:
            # One error may be that of many look-ups, and each raise would lengthen its traceback.
            raise self._question.error.with_traceback(None)
        return self._question.value

    def close(self) -> None:
        """Forgets the look-up: one not yet begun never runs, unless others wait for it too."""
        with _lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
                self._question.forget(self)


class Question:
    """One call of getaddrinfo(), and the look-ups that wait for it; every method needs the lock."""

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
        # Counted among the slow ones; given up by all look-ups that waited for it first.
        self.is_slow = self.is_lost = False

    @property
    def zone(self) -> str:
        """The name of the zone, as far as a name tells it: what is behind the first label."""
        return self.name.partition(".")[2] or self.name

    def forget(self, look_up: LookUp) -> None:
        """Removes a look-up that does not wait any more."""
        if look_up in self.waiting:
            self.waiting.remove(look_up)
            if not self.waiting and self.began and not self.done:
                self.is_lost = True
                self.resolver.mark_slow(self)


class Resolver:
    """Threads for look-ups: at_once of them with fresh ones, slow of them with slow names, limit of them in all.

    A thread in getaddrinfo() takes 20 kB. They are not joined at exit: a call that never returns must not hold the
    answer back.
    """

    __slots__ = ("limit", "_at_once", "_slow", "_open", "_queues", "_fresh", "_zones", "_names", "_counts", "_ticks")

    def __init__(self, limit: int = 4096, *, slow: int = 3072, at_once: int = 64) -> None:
        self.limit = limit
        self._slow = slow
        self._at_once = at_once
        self._open: dict[tuple[Any, ...], Question] = {}
        # Of names that are not known to be slow, and of those that are.
        self._queues: tuple[list[Question], list[Question]] = [], []
        self._fresh: dict[Question, None] = {}
        self._zones: dict[str, int] = {}
        self._names: dict[str, bool] = {}
        # How many threads run, and how many of them with slow names.
        self._counts = [0, 0]
        self._ticks = False

    def ask(self, key: tuple[Any, ...], name: str, call: Callable[[], object]) -> LookUp:
        """Has the call run as soon as a thread is free, once for all that ask the same at a time.

        OSError without a descriptor, RuntimeError when no thread runs and none can be started.
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
        """Counts a question that runs among the slow ones, from now on."""
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
        """Starts threads for what waits, as many as may be; RuntimeError when the system gives none."""
        while question := self._next():
            try:
                _thread.start_new_thread(self._work, (question,))
            except RuntimeError:
                # Those that run take it up, unless there are none.
                self._uncount(question)
                question.began = 0.0
                for look_up in question.waiting:
                    look_up._begun = 0.0
                self._queues[0].insert(0, question)
                raise
        self._wake_up()

    def _wake_up(self) -> None:
        """Sees to it that what waits for fresh ones to turn old is started then: nothing else happens at that time."""
        if self._waits_for_time() and not self._ticks:
            try:
                _thread.start_new_thread(self._tick, ())
                self._ticks = True
            except RuntimeError:
                # A thread that ends takes the next one up.
                pass

    def _waits_for_time(self) -> bool:
        return len(self._fresh) >= self._at_once and any(self._queues)

    def _next(self) -> Question | None:
        """Takes what is to run next out of its queue and counts it, or returns None when nothing may run now."""
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
        # A look-up that joined a question which others had given up on gets one of its own, should that one fail: the
        # zone may be alive again.
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
                    # A thread that ends takes the next one up.
                    pass
                if not self._waits_for_time():
                    self._ticks = False
                    return


LOOK_UPS = Resolver()


def _leave_to_parent() -> None:
    """Drops, in a forked process, the look-ups of its parent: their threads are not here, and one may have the lock."""
    global _lock, LOOK_UPS
    _lock = _thread.allocate_lock()
    LOOK_UPS = Resolver()


os.register_at_fork(after_in_child=_leave_to_parent)


def look_up(host: str, port: int, family: int, kind: int) -> LookUp:
    """Starts the look-up of a name; its result() is the addresses, or NotResolved. LocalError."""

    def work() -> tuple[Address, ...]:
        try:
            # bytes, because getaddrinfo() loads the idna codec for any str, also for an ASCII one.
            name = host.encode() if host.isascii() else host.encode("idna")
            try:
                return _addresses(name, port, family, kind)
            except _socket.gaierror as error:
                # Without a descriptor to read /etc/hosts with, no name is known either.
                os.close(os.eventfd(0, os.EFD_CLOEXEC))
                raise NotResolved(str(error.args[-1])) from error
        except UnicodeError as error:
            raise NotResolved(f"not a name: {host!r}") from error
        except OSError as error:
            # What the C library needs of this machine for it, such as a descriptor.
            raise LocalError(f"cannot look up {host}: {error.strerror}") from error
        except ValueError as error:
            raise NotResolved(str(error)) from None

    try:
        return LOOK_UPS.ask((host, port, family, kind), host.lower(), work)
    except (OSError, RuntimeError) as error:
        # No descriptor or no thread left.
        raise LocalError(f"cannot look up {host}: {error}") from error


def _addresses(name: bytes, port: int, family: int, kind: int) -> tuple[Address, ...]:
    """Asks the C library, whose name servers may take longer than any check."""
    found = _socket.getaddrinfo(name, port, family, kind)
    return of_family(found, family, name.decode(errors="replace"))  # type: ignore[arg-type]  # as in address.literal()
