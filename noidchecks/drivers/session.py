"""One running dialogue: grants what can be granted at once, and says what to wait for otherwise."""

from __future__ import annotations

from time import monotonic

from ..dialogue.operations import SendTo, Sleep
from ..errors import DeadlineExceeded, LocalError, ProbeError
from ..timings import Timings
from .perform import PERFORM
from .resolver import LookUp
from .sockets import WAIT_READ, WouldBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..dialogue.operations import Dialogue, Operation
    from .transcript import Transcript

# So many operations are granted before the loop is given back: a peer that is always ready must not starve the others.
_BUDGET = 64
# Nor one whose answers take long to read: after so many seconds the loop is given back too.
_TURN = 0.002
# A dialogue may tidy up after its deadline, but each further operation fails; more of them are a defect.
_PATIENCE_WITH_DIALOGUE = 16


class Session:
    """A dialogue with its deadline, channels and timings, advanced by whichever loop owns it.

    advance() returns True when the session has to wait: until fd (when not negative) is ready for events, or until
    monotonic time reaches until. It returns False when the dialogue has ended: then value is what it returned,
    or failure is what it raised, and everything that it had opened is closed. progress, opened and operation_began are
    for whoever grants the operations: what a half-granted one needs when it is tried again, what is to be closed in the
    end, and since when the present one is asked for.
    """

    __slots__ = (
        "value",
        "failure",
        "timings",
        "fd",
        "events",
        "until",
        "transcript",
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

    def __init__(self, dialogue: Dialogue[Any], timeout: float, *, transcript: bool = False) -> None:
        self.value: Any = None
        self.failure: Exception | None = None
        self.timings = Timings()
        self.fd = -1
        self.events = WAIT_READ
        self.until = 0.0
        self.transcript: Transcript | None = None
        if transcript:
            from .transcript import Transcript

            self.transcript = Transcript()
        self._dialogue = dialogue
        self._timeout = timeout
        # The deadline is before the end while the dialogue keeps something in reserve.
        self._deadline = self._end = float("inf")
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
            if self._operation is None:
                self.restart_clock()
                if not self._resume(None, None):
                    return False
            turn_ends = monotonic() + _TURN
            for _ in range(_BUDGET):
                operation = self._operation
                answer: object = None
                error: ProbeError | None = None
                now = monotonic()
                if now >= self._deadline and not self._is_farewell(operation):
                    error = self._expire()
                else:
                    try:
                        answer = PERFORM[type(operation)](self, operation)
                    except WouldBlock as wait:
                        if self._must_wait(operation, now):
                            self.fd, self.events = wait.fd, wait.events
                            return True
                    except ProbeError as failure:
                        error = failure
                        error.phase = error.phase or self._phase
                if self.transcript is not None:
                    self.transcript.add(monotonic() - self._started, operation, error or answer)
                goes_on = self._resume(answer, error)
                # This frame is in its traceback; held by it, it would wait for the collector of cycles.
                error = None
                if not goes_on:
                    return False
                if now > turn_ends:
                    break
            self.fd, self.until = -1, now
            return True
        except Exception as failure:
            self.failure = failure
            self.close()
            return False

    def close(self) -> None:
        """Ends the dialogue where it is and closes everything that it opened; harmless when it has ended."""
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
        for _ in range(_PATIENCE_WITH_DIALOGUE):
            try:
                self._dialogue.close()
            except Exception as defect:
                # It tidies up, by operations that are not granted any more; what ended it before is the news.
                self.failure = self.failure or defect
            else:
                return

    def _resume(self, answer: object, error: ProbeError | None) -> bool:
        self.progress = None
        try:
            if error is not None:
                self._operation = self._dialogue.throw(error)
            else:
                self._operation = self._dialogue.send(answer)
        except StopIteration as stop:
            self.value = stop.value
        except Exception as failure:
            self.failure = failure
        else:
            self.operation_began = monotonic()
            return True
        self.close()
        return False

    def _is_farewell(self, operation: object) -> bool:
        if not self._refused or not isinstance(operation, SendTo):
            return False
        self._refused += 1
        return self._refused <= _PATIENCE_WITH_DIALOGUE

    def _expire(self) -> ProbeError:
        if self._deadline < self._end:
            self._deadline = self._end
        else:
            self._refused += 1
        if self._refused > _PATIENCE_WITH_DIALOGUE:
            raise RuntimeError("the dialogue goes on after its deadline")
        error: ProbeError = DeadlineExceeded(self._timeout)
        if isinstance(self.progress, LookUp) and self.progress.waited:
            error = LocalError("this machine had no thread free for the look-up: too many names get no answer")
        error.phase = self._phase
        return error

    def _must_wait(self, operation: object, now: float) -> bool:
        if isinstance(operation, Sleep):
            patience: float | None = operation.seconds
        else:
            patience = getattr(operation, "patience", None)
        over = self._deadline if patience is None else self.operation_began + patience
        self.until = min(over, self._deadline)
        return now < over

    def restart_clock(self) -> None:
        """Lets the time of the check begin now."""
        self._started = self._phase_began = monotonic()
        if self._timeout > 0:
            self._deadline = self._end = self._started + self._timeout

    def reserve(self, seconds: float) -> None:
        """Keeps so many seconds before the deadline for what the dialogue does after DeadlineExceeded."""
        self._deadline = self._end - seconds

    def enter(self, phase: str) -> None:
        """Ends one phase and begins another, "" for none."""
        now = monotonic()
        if self._phase:
            phases = self.timings.phases
            phases[self._phase] = phases.get(self._phase, 0.0) + now - self._phase_began
        self._phase, self._phase_began = phase, now
