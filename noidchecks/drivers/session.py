"""One running dialogue: grants what can be granted at once, and says what to wait for otherwise."""

from __future__ import annotations

from time import monotonic

from ..address import literal, look_up
from ..dialogue import (
    Close,
    Connect,
    OpenDatagram,
    Phase,
    Receive,
    ReceiveFrom,
    Resolve,
    Send,
    SendTo,
    Sleep,
)
from ..errors import DeadlineExceeded, ProbeError
from ..timings import Timings
from . import sockets
from .sockets import WAIT_READ, WouldBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..address import Address
    from ..background import Job
    from ..dialogue import Datagram, Dialogue, Operation
    from .sockets import Channel

# So many operations are granted before the loop is given back: a peer that is always ready must not starve the others.
_BUDGET = 64
# A dialogue may tidy up after its deadline, but each further operation fails; more of them are a defect.
_PATIENCE_WITH_DIALOGUE = 16


class Session:
    """A dialogue with its deadline, channels and timings, advanced by whichever loop owns it.

    advance() returns True when the session has to wait: until fd (when not negative) is ready for events, or until
    monotonic time reaches until. It returns False when the dialogue has ended: then value is what it returned,
    or failure is what it raised, and everything that it had opened is closed.
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
        "_started",
        "_phase",
        "_phase_began",
        "_operation",
        "_operation_began",
        "_progress",
        "_open",
        "_refused",
    )

    def __init__(self, dialogue: Dialogue[Any], timeout: float, *, transcript: bool = False) -> None:
        self.value: Any = None
        self.failure: Exception | None = None
        self.timings = Timings()
        self.fd = -1
        self.events = WAIT_READ
        self.until = 0.0
        self.transcript: list[str] | None = [] if transcript else None
        self._dialogue = dialogue
        self._timeout = timeout
        self._deadline = float("inf")
        self._started = 0.0
        self._phase = ""
        self._phase_began = 0.0
        self._operation: Operation | None = None
        self._operation_began = 0.0
        # What a half-granted operation needs when it is tried again.
        self._progress: Any = None
        self._open: list[Any] = []
        self._refused = 0

    def advance(self) -> bool:
        """Runs the dialogue until it has to wait (True) or has ended (False)."""
        try:
            if self._operation is None:
                self._started = self._phase_began = monotonic()
                if self._timeout > 0:
                    self._deadline = self._started + self._timeout
                if not self._resume(None, None):
                    return False
            for _ in range(_BUDGET):
                operation = self._operation
                answer: object = None
                error: ProbeError | None = None
                now = monotonic()
                if now >= self._deadline and not self._is_farewell(operation):
                    error = self._expire()
                else:
                    try:
                        answer = _GRANTS[type(operation)](self, operation)
                    except WouldBlock as wait:
                        if self._must_wait(operation, now):
                            self.fd, self.events = wait.fd, wait.events
                            return True
                    except ProbeError as failure:
                        error = failure
                        error.phase = error.phase or self._phase
                if self.transcript is not None:
                    self._record(operation, error or answer)
                if not self._resume(answer, error):
                    return False
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
                self._enter("")
                self.timings.total = self._phase_began - self._started
                self._phase_began = 0.0
            while self._open:
                self._open.pop().close()

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
        self._progress = None
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
            self._operation_began = monotonic()
            return True
        self.close()
        return False

    def _is_farewell(self, operation: object) -> bool:
        if not self._refused or not isinstance(operation, SendTo):
            return False
        self._refused += 1
        return self._refused <= _PATIENCE_WITH_DIALOGUE

    def _expire(self) -> DeadlineExceeded:
        self._refused += 1
        if self._refused > _PATIENCE_WITH_DIALOGUE:
            raise RuntimeError("the dialogue goes on after its deadline")
        error = DeadlineExceeded(self._timeout)
        error.phase = self._phase
        return error

    def _must_wait(self, operation: object, now: float) -> bool:
        if isinstance(operation, Sleep):
            patience: float | None = operation.seconds
        else:
            patience = getattr(operation, "patience", None)
        over = self._deadline if patience is None else self._operation_began + patience
        self.until = min(over, self._deadline)
        return now < over

    def _enter(self, phase: str) -> None:
        now = monotonic()
        if self._phase:
            phases = self.timings.phases
            phases[self._phase] = phases.get(self._phase, 0.0) + now - self._phase_began
        self._phase, self._phase_began = phase, now

    def _record(self, operation: object, outcome: object) -> None:
        from .transcript import describe

        line = describe(operation, outcome)
        if line and self.transcript is not None:
            self.transcript.append(f"{monotonic() - self._started:.6f} {line}")

    def _grant_phase(self, operation: Phase) -> None:
        self._enter(operation.name)

    def _grant_resolve(self, operation: Resolve) -> tuple[Address, ...]:
        job: Job | None = self._progress
        if job is None:
            found = literal(operation.host, operation.port, operation.family, operation.kind)
            if found is not None:
                return found
            job = look_up(operation.host, operation.port, operation.family, operation.kind)
            self._progress = job
            self._open.append(job)
        if not job.done:
            raise WouldBlock(job.fileno(), WAIT_READ)
        self._open.remove(job)
        job.close()
        addresses: tuple[Address, ...] = job.result()
        return addresses

    def _grant_connect(self, operation: Connect) -> Channel:
        channel: Channel | None = self._progress
        if channel is None:
            channel = sockets.open_stream(operation.address, operation.source)
            self._open.append(channel)
        try:
            if self._progress is not channel:
                self._progress = channel
                channel.connect(operation.address)
            else:
                channel.connected()
        except ProbeError:
            # Here and not at the end: a host with many dead addresses would hold a descriptor for each.
            self._open.remove(channel)
            channel.close()
            raise
        return channel

    def _grant_datagram(self, operation: OpenDatagram) -> Channel:
        channel = sockets.open_datagram(operation.family, operation.source)
        self._open.append(channel)
        return channel

    def _grant_send(self, operation: Send) -> None:
        sent: int = self._progress or 0
        while sent < len(operation.data):
            sent += operation.channel.send(operation.data[sent:] if sent else operation.data)
            self._progress = sent

    def _grant_receive(self, operation: Receive) -> bytes:
        return operation.channel.receive(operation.limit)

    def _grant_send_to(self, operation: SendTo) -> None:
        operation.channel.send_to(operation.data, operation.address)

    def _grant_receive_from(self, operation: ReceiveFrom) -> Datagram:
        return operation.channel.receive_from(operation.limit)

    def _grant_sleep(self, operation: Sleep) -> None:
        if monotonic() < self._operation_began + operation.seconds:
            raise WouldBlock(-1, WAIT_READ)

    def _grant_close(self, operation: Close) -> None:
        if operation.channel in self._open:
            self._open.remove(operation.channel)
            operation.channel.close()


_GRANTS: dict[type, Callable[[Session, Any], object]] = {
    Phase: Session._grant_phase,
    Resolve: Session._grant_resolve,
    Connect: Session._grant_connect,
    OpenDatagram: Session._grant_datagram,
    Send: Session._grant_send,
    Receive: Session._grant_receive,
    SendTo: Session._grant_send_to,
    ReceiveFrom: Session._grant_receive_from,
    Sleep: Session._grant_sleep,
    Close: Session._grant_close,
}
