"""Plays a dialogue against a script, without sockets and without a clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from noidchecks.address import AF_INET, AF_INET6, Address
from noidchecks.dialogue.operations import (
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
from noidchecks.errors import DeadlineExceeded, ProbeError
from noidchecks.timings import Timings

# As many operations as a driver answers after the deadline before it takes the dialogue for defective.
_PATIENCE_WITH_DIALOGUE = 16


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
    added up to the timeout, the deadline passes; after it only SendTo is granted, a farewell. on holds, by kind of
    operation, the answers (or errors) in place of the usual ones, which are: Resolve finds 192.0.2.1 or 2001:db8::1,
    all else succeeds.
    """
    return _Stage(incoming, on or {}, timeout).play(dialogue)


class _Stage:
    """The driver's part of a rehearsal."""

    def __init__(self, incoming: Iterable[object], on: Mapping[type, Iterable[object]], timeout: float) -> None:
        self._incoming = list(incoming)
        self._on = {kind: list(answers) for kind, answers in on.items()}
        self._timeout = timeout
        self._is_over = False
        self._seen = Rehearsal()

    def play(self, dialogue: Dialogue[Any]) -> Rehearsal:
        seen = self._seen
        refused = 0
        try:
            operation = dialogue.send(None)
            while True:
                seen.operations.append(operation)
                answer = self._answer(operation)
                refused += self._is_over
                assert refused <= _PATIENCE_WITH_DIALOGUE, "the dialogue goes on after its deadline"
                if isinstance(answer, ProbeError):
                    answer.phase = answer.phase or (seen.phases[-1] if seen.phases else "")
                    operation = dialogue.throw(answer)
                else:
                    operation = dialogue.send(answer)
        except StopIteration as stop:
            seen.value = stop.value
        except ProbeError as failure:
            seen.failure = failure
        seen.timings.total = seen.seconds
        return seen

    def _answer(self, operation: Operation) -> object:
        if self._is_over and not isinstance(operation, SendTo):
            return DeadlineExceeded(self._timeout)
        if isinstance(operation, Phase):
            self._seen.phases.append(operation.name)
            self._seen.timings.phases.setdefault(operation.name, 0.0)
            return None
        scripted = self._on.get(type(operation))
        if scripted:
            return self._played(operation, scripted.pop(0))
        if isinstance(operation, Receive | ReceiveFrom):
            return self._received(operation)
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
            case Sleep(seconds=seconds):
                return self._wait(seconds)
            case ReserveTime() | Redact() | Decrypted():
                pass
            case Close(channel=FakeChannel() as channel):
                channel.closed = True
            case _:
                raise AssertionError(f"not an operation: {operation!r}")
        return None

    def _received(self, operation: Receive | ReceiveFrom) -> object:
        if not self._incoming:
            return self._wait(float("inf"))
        answer = self._incoming.pop(0)
        if answer is None:
            assert operation.patience is not None, "a driver never stops waiting for a patient dialogue"
            return self._wait(operation.patience)
        if isinstance(answer, bytes):
            assert isinstance(operation, Receive), "ReceiveFrom is answered by a Datagram"
            answer, rest = answer[: operation.limit], answer[operation.limit :]
            if rest:
                self._incoming.insert(0, rest)
        return answer

    def _wait(self, seconds: float) -> object:
        left = self._timeout - self._seen.seconds
        if self._timeout > 0 and seconds >= left:
            self._seen.seconds = self._timeout
            self._is_over = True
            return DeadlineExceeded(self._timeout)
        assert seconds < float("inf"), "the dialogue waits for ever"
        self._seen.seconds += seconds
        return None
