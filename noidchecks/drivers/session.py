"""A running dialogue: performs its operations until one has to wait, and says which descriptor or time to wait for.

A session has two deadlines. The end is the start plus the timeout: at the end the check is over, whatever the peer
does. A dialogue that has something to tidy up (a canary file to delete) asks with ReserveTime for the last seconds
before the end; the deadline then comes that much earlier:

    start ................................. deadline ........ end
          operations are performed                  tidying up

The operation that is under way at the deadline is tried once more, because its answer may have come while this process
was late, and then fails with DeadlineExceeded, which the dialogue may catch; from then on the deadline is the end, and
its operations are performed again, now to tidy up. Without a reserve both are the same time. An operation that the
dialogue yields after the end is not performed and fails with DeadlineExceeded. After the first of these failures there
is one exception: SendTo, which cannot block and lets TFTP tell the server that the transfer is over (RFC 1350 section
7); otherwise the server would repeat its block for minutes. A dialogue that yields more than 16 operations after the
end is defective, and ends with RuntimeError.

patience is shorter and belongs to one operation, counted from its first attempt: when it is over before the deadline,
the answer is None (for Connect: NotConnected) and the dialogue goes on. The clock starts with the first operation, and
again when Prepare has loaded the module of the worker processes, because the import is this machine's time, not the
peer's.
"""

from __future__ import annotations

from select import poll
from time import monotonic

from ..dialogue.stream_operations import Resolve
from ..errors import DeadlineExceeded, LocalError, ProbeError, forget_frames
from ..timings import Timings
from .perform import PERFORM
from .sockets import WAIT_READ, WouldBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..dialogue.operations import Dialogue, Operation
    from .resolver import LookUp
    from .running import Performers
    from .transcript import Transcript

# The most operations between two returns to the loop: a peer that sends without pause must not starve other sessions.
_BUDGET = 64
# The seconds after which a session returns to the loop too, for answers that take long to parse.
_TURN = 0.002
# The most operations that a dialogue may ask for after the end.
_MOST_REFUSED = 16
# poll(2) accepts at most 2**31 milliseconds; one needless wake-up a day costs nothing.
_LONGEST_PAUSE = 86400.0
_NEVER = float("inf")


def run(session: Session) -> None:
    """Runs one session to its end; closes it when an exception interrupts it."""
    waiting = poll()
    try:
        while session.advance():
            milliseconds = pause(session.until) * 1000
            if session.fd < 0:
                waiting.poll(milliseconds)
            else:
                waiting.register(session.fd, session.events)
                waiting.poll(milliseconds)
                waiting.unregister(session.fd)
    finally:
        session.close()


def pause(until: float) -> float:
    """Returns the seconds from now to a monotonic time, at least 0 and at most a day, for poll(2)."""
    return min(max(0.0, until - monotonic()), _LONGEST_PAUSE)


class Session:
    """A dialogue with its deadline, channels and timings, advanced by whichever loop owns it.

    advance() returns True when the session has to wait: until fd (when not negative) is ready for events, or until
    monotonic time reaches until. It returns False when the dialogue has ended: then value is the dialogue's return
    value or failure its exception, and every channel and look-up that it opened is closed. perform maps types of
    operations to the functions that perform them; progress, opened, operation_began and clock are for those functions
    (running.Running). armed and timer belong to the loop: the descriptor and the time that it has registered for this
    session.
    """

    __slots__ = (
        "value",
        "failure",
        "timings",
        "fd",
        "events",
        "until",
        "armed",
        "timer",
        "transcript",
        "clock",
        "_perform",
        "_dialogue",
        "_timeout",
        "_deadline",
        "_end",
        "_started",
        "_phase",
        "_phase_began",
        "_operation",
        "operation_began",
        "progress",
        "opened",
        "_refused",
    )

    def __init__(
        self,
        dialogue: Dialogue[Any],
        timeout: float,
        *,
        transcript: bool = False,
        perform: Performers = PERFORM,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.value: Any = None
        self.failure: Exception | None = None
        self.timings = Timings()
        self.fd = -1
        self.events = WAIT_READ
        self.until = 0.0
        self.armed = -1
        self.timer = _NEVER
        self.transcript: Transcript | None = None
        if transcript:
            from .transcript import Transcript

            self.transcript = Transcript()
        self.clock = clock
        self._perform = perform
        self._dialogue = dialogue
        self._timeout = timeout
        self._deadline = self._end = _NEVER
        self._started = 0.0
        self._phase = ""
        self._phase_began = 0.0
        self._operation: Operation | None = None
        self.operation_began = 0.0
        self.progress: Any = None
        self.opened: list[Any] = []
        self._refused = 0

    def advance(self) -> bool:
        """Runs the dialogue until it has to wait (True) or has ended (False)."""
        try:
            perform, send, clock = self._perform, self._dialogue.send, self.clock
            if self._operation is None:
                self.restart_clock()
                self._operation = send(None)
            now = clock()
            turn_ends = now + _TURN
            for _ in range(_BUDGET):
                operation = self._operation
                answer: object = None
                error: ProbeError | None = None
                is_under_way = bool(self.operation_began)
                if not is_under_way:
                    self.operation_began = now
                if now >= self._deadline and not is_under_way and not self._is_farewell(operation):
                    error = self._expire()
                else:
                    try:
                        answer = perform[type(operation)](self, operation)
                    except WouldBlock as wait:
                        if is_under_way and now >= self._deadline:
                            error = self._expire()
                        elif self._must_wait(operation, now):
                            self.fd, self.events = wait.fd, wait.events
                            return True
                    except ProbeError as failure:
                        error = failure
                        error.phase = error.phase or self._phase
                if self.transcript is not None:
                    self.transcript.add(clock() - self._started, operation, error or answer)
                self.progress = None
                self.operation_began = 0.0
                if error is None:
                    self._operation = send(answer)
                elif not self._refuse(error):
                    return False
                now = clock()
                if now > turn_ends:
                    break
            self.fd, self.until = -1, now
            return True
        except StopIteration as stop:
            self.value = stop.value
        except Exception as failure:
            self._fail(failure)
        self.close()
        return False

    def close(self) -> None:
        """Ends the dialogue at its current operation and closes what it opened; does nothing when it has ended."""
        try:
            self._end_dialogue()
        finally:
            if self._phase_began:
                self.enter("")
                self.timings.total = self._phase_began - self._started
                self._phase_began = 0.0
            while self.opened:
                self.opened.pop().close()

    def _end_dialogue(self) -> None:
        for _ in range(_MOST_REFUSED):
            try:
                self._dialogue.close()
            except Exception as defect:
                # The dialogue yielded operations to tidy up, which are no longer performed; an earlier failure is kept.
                self.failure = self.failure or defect
            else:
                return

    def _refuse(self, error: ProbeError) -> bool:
        """Throws the error into the dialogue; returns whether the dialogue goes on."""
        try:
            self._operation = self._dialogue.throw(error)
            return True
        except StopIteration as stop:
            self.value = stop.value
        except Exception as failure:
            self._fail(failure)
        finally:
            # Frames of its traceback may refer to the error: the cycle would stay until the garbage collector runs.
            forget_frames(error)
        self.close()
        return False

    def _fail(self, failure: Exception) -> None:
        self.failure = failure
        if isinstance(failure, ProbeError):
            # The dialogue's own, such as a PeerError, have none yet.
            failure.phase = failure.phase or self._phase

    def _is_farewell(self, operation: object) -> bool:
        if not self._refused:
            return False
        from ..dialogue.operations import SendTo

        if not isinstance(operation, SendTo):
            return False
        self._refused += 1
        return self._refused <= _MOST_REFUSED

    def _expire(self) -> ProbeError:
        if self._deadline < self._end:
            self._deadline = self._end
        else:
            self._refused += 1
        if self._refused > _MOST_REFUSED:
            raise RuntimeError("the dialogue goes on after its deadline")
        error: ProbeError = DeadlineExceeded(self._timeout)
        if isinstance(self._operation, Resolve) and self.progress is not None:
            look_up: LookUp = self.progress
            if look_up.has_waited:
                error = LocalError("this machine had no thread free for the look-up: too many names get no answer")
        error.phase = self._phase
        return error

    def _must_wait(self, operation: object, now: float) -> bool:
        """Returns whether the operation's patience and the deadline leave it time, and sets until accordingly."""
        patience: float | None = getattr(operation, "patience", None)
        if patience is None:
            self.until = self._deadline
            return now < self._deadline
        over = self.operation_began + patience
        self.until = min(over, self._deadline)
        return now < over

    def restart_clock(self) -> None:
        """Starts the time of the check, its deadline and its phase from now."""
        self._started = self._phase_began = self.clock()
        if self._timeout > 0:
            self._deadline = self._end = self._started + self._timeout

    def is_over(self, patience: float | None) -> bool:
        """Returns whether the patience of the current operation, in seconds, is over; None is endless."""
        return patience is not None and self.clock() >= self.operation_began + patience

    def reserve(self, seconds: float) -> None:
        """Moves the deadline to these seconds before the end, for what the dialogue does after DeadlineExceeded."""
        self._deadline = self._end - seconds

    def enter(self, phase: str) -> None:
        """Ends the current phase and begins another, or none when phase is ""."""
        now = self.clock()
        if self._phase:
            phases = self.timings.phases
            phases[self._phase] = phases.get(self._phase, 0.0) + now - self._phase_began
        self._phase, self._phase_began = phase, now
