"""Plays a dialogue against a script: the library's own Session, with a scripted performer and a scripted clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from noidchecks.address import AF_INET, AF_INET6, Address
from noidchecks.dialogue.operations import (
    Await,
    Close,
    Connect,
    Datagram,
    Decrypted,
    Dialogue,
    OpenDatagram,
    Operation,
    Phase,
    Receive,
    ReceiveFrom,
    Redact,
    ReserveTime,
    Resolve,
    Send,
    SendTo,
    Sleep,
)
from noidchecks.drivers.perform import PERFORM
from noidchecks.drivers.session import Session
from noidchecks.drivers.sockets import WAIT_READ, WouldBlock
from noidchecks.errors import ProbeError
from noidchecks.timings import Timings

NEVER = float("inf")
# What the scripted clock shows at first.
_START = 1024.0


class FakeChannel:
    """What Connect and OpenDatagram answer: a channel that knows its address and nothing else."""

    def __init__(self, address: Address | None) -> None:
        self.address = address
        self.closed = False


class Rehearsal:
    """What a dialogue did and how it ended: value, or failure with the phase that it happened in.

    sent is all that was sent on streams, datagrams what was sent with SendTo, operations everything that was asked
    for. seconds is the time that the waiting would have taken.
    """

    def __init__(self) -> None:
        self.value: Any = None
        self.failure: ProbeError | None = None
        self.operations: list[Operation] = []
        self.phases: list[str] = []
        self.channels: list[FakeChannel] = []
        self.sent = b""
        self.datagrams: list[tuple[bytes, Address]] = []
        self.seconds = 0.0
        self.timings = Timings()

    def asked(self, kind: type) -> list[Any]:
        """Returns the operations of one kind."""
        return [operation for operation in self.operations if isinstance(operation, kind)]


def rehearse(
    dialogue: Dialogue[Any],
    *incoming: bytes | Datagram | ProbeError | None,
    on: Mapping[type, Iterable[object]] | None = None,
    timeout: float = 10.0,
) -> Rehearsal:
    """Plays the dialogue to its end and tells what it did; only a defect of the dialogue raises.

    incoming answers Receive and ReceiveFrom, one after the other: bytes longer than the limit come in parts, None is
    silence for as long as the dialogue is patient, an error is raised in it. When nothing is left, or the waiting has
    added up to the timeout, the deadline passes; after it only SendTo is performed, a farewell. on holds, by kind of
    operation, the answers (or errors) in place of the usual ones, which are: Resolve finds 192.0.2.1 or 2001:db8::1,
    Await something on the first of its channels, all else succeeds.
    """
    return Script(incoming, on or {}, timeout).play(dialogue)


class Script:
    """Performs the operations of one dialogue as the script says; its clock is moved by waiting alone."""

    def __init__(self, incoming: Iterable[object], on: Mapping[type, Iterable[object]], timeout: float) -> None:
        self._incoming = list(incoming)
        self._on = {kind: list(answers) for kind, answers in on.items()}
        self._timeout = timeout
        self._now = _START
        # Whether the operation that waits does so until the end of the check, however patient it is.
        self._is_exhausted = False
        self._seen = Rehearsal()

    def play(self, dialogue: Dialogue[Any]) -> Rehearsal:
        seen = self._seen
        session = Session(
            _recorded(dialogue, seen.operations), self._timeout, perform=_Performers(self._perform), clock=self._clock
        )
        while session.advance():
            is_at_end = self._is_exhausted and self._timeout > 0
            self._now = _START + self._timeout if is_at_end else max(self._now, session.until)
            assert self._now < NEVER, "the dialogue waits for ever"
        if session.failure is not None and not isinstance(session.failure, ProbeError):
            raise session.failure
        seen.value, seen.failure, seen.timings = session.value, session.failure, session.timings
        seen.seconds = session.timings.total
        return seen

    def _clock(self) -> float:
        return self._now

    def _perform(self, session: Session, operation: Operation) -> object:
        if session.progress is not None:
            # It is asked again because the time that it was to wait is over.
            raise WouldBlock(-1, WAIT_READ)
        answer = self._answer(session, operation)
        if isinstance(answer, ProbeError):
            raise answer
        return answer

    def _answer(self, session: Session, operation: Operation) -> object:
        if isinstance(operation, Phase):
            self._seen.phases.append(operation.name)
        if isinstance(operation, Phase | ReserveTime | Redact | Decrypted):
            return PERFORM[type(operation)](session, operation)
        scripted = self._on.get(type(operation))
        if scripted:
            return self._played(operation, scripted.pop(0))
        if isinstance(operation, Receive | ReceiveFrom):
            return self._received(session, operation)
        if isinstance(operation, Sleep):
            return PERFORM[Sleep](session, operation)
        return self._usual(operation)

    def _played(self, operation: Operation, answer: object) -> object:
        if isinstance(answer, FakeChannel):
            self._seen.channels.append(answer)
        elif isinstance(operation, Connect | OpenDatagram) and not isinstance(answer, ProbeError):
            raise AssertionError(f"{type(operation).__name__} is answered by a channel, not {answer!r}")
        return answer

    def _usual(self, operation: Operation) -> object:
        seen = self._seen
        match operation:
            case Resolve(port=port, family=family):
                if family == AF_INET6:
                    return (Address(AF_INET6, ("2001:db8::1", port, 0, 0)),)
                return (Address(AF_INET, ("192.0.2.1", port)),)
            case Connect(address=address):
                seen.channels.append(FakeChannel(address))
                return seen.channels[-1]
            case OpenDatagram():
                seen.channels.append(FakeChannel(None))
                return seen.channels[-1]
            case Send(data=data):
                seen.sent += data
            case SendTo(data=data, address=address):
                seen.datagrams.append((data, address))
            case Await(channels=channels):
                return channels[0]
            case Close(channel=FakeChannel() as channel):
                channel.closed = True
            case _:
                raise AssertionError(f"not an operation: {operation!r}")
        return None

    def _received(self, session: Session, operation: Receive | ReceiveFrom) -> object:
        if not self._incoming:
            self._is_exhausted = True
            return self._wait(session)
        answer = self._incoming.pop(0)
        if answer is None:
            assert operation.patience is not None, "a driver never stops waiting for a patient dialogue"
            return self._wait(session)
        if isinstance(answer, bytes):
            assert isinstance(operation, Receive), "ReceiveFrom is answered by a Datagram"
            answer, rest = answer[: operation.limit], answer[operation.limit :]
            if rest:
                self._incoming.insert(0, rest)
        return answer

    def _wait(self, session: Session) -> object:
        session.progress = "waits"
        raise WouldBlock(-1, WAIT_READ)


class _Performers(dict[type, Callable[[Any, Any], object]]):
    """One performer for every kind of operation."""

    def __init__(self, perform: Callable[[Any, Any], object]) -> None:
        super().__init__()
        self._perform = perform

    def __missing__(self, kind: type) -> Callable[[Any, Any], object]:
        return self._perform


def _recorded(dialogue: Dialogue[Any], operations: list[Operation]) -> Dialogue[Any]:
    """Passes the operations of a dialogue on, and keeps them: a session performs no operation after its end."""
    step: Callable[[Any], Operation] = dialogue.send
    argument: Any = None
    try:
        while True:
            operation = step(argument)
            operations.append(operation)
            try:
                step, argument = dialogue.send, (yield operation)
            except ProbeError as error:
                step, argument = dialogue.throw, error
    except StopIteration as stop:
        return stop.value
    finally:
        dialogue.close()
