"""Plays a dialogue against bytes of a fuzzer, without sockets and with a clock that only the waiting moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from noidchecks import NotConnected, Result
from noidchecks.address import AF_INET, Address
from noidchecks.dialogue.operations import (
    Accept,
    Await,
    Datagram,
    Listen,
    LocalAddress,
    Operation,
    Receive,
    ReceiveFrom,
)
from noidchecks.drivers.session import Session
from noidchecks.probe import _failed
from noidchecks.status.render import render
from tests.support.rehearse import FakeChannel, Script

TIMEOUT = 10.0
SECRET = "geheim-4711"
# An input has a few hundred events at most; each makes a dialogue ask for a handful of things.
_MOST_OPERATIONS = 20_000
# What Nagios keeps of a plugin's output.
_LONGEST = 8192
_OURS = Address(AF_INET, ("192.0.2.9", 40000))
_PLACES = (("192.0.2.1", 40001), ("192.0.2.1", 69), ("192.0.2.2", 40001))
_SENDERS = tuple(Address(AF_INET, place) for place in _PLACES)

SILENCE, END, RESET = range(5, 8)


class Finding(AssertionError):
    """What must not happen, whatever a peer sends."""


def script(*events: bytes | int) -> bytes:
    """Returns the input of these events: bytes are received, the numbers are SILENCE, END and RESET.

    The lowest three bits of an event's first byte are its kind, 0..4 for bytes (0..2 tell who sends a datagram); the
    length of the bytes follows in one byte.
    """
    raw = bytearray()
    for event in events:
        if isinstance(event, int):
            raw.append(event)
        else:
            for start in range(0, len(event) or 1, 255):
                part = event[start : start + 255]
                raw += bytes((0, len(part))) + part
    return bytes(raw)


def play(probe: Any, raw: bytes) -> Result:
    """Plays the probe's dialogue against an input, judges it, and returns a result that is fit to be printed."""
    seen = _Fuzzed(events(raw), {}, TIMEOUT).play(probe.dialogue())
    if seen.failure is None:
        result: Result = probe.judge(seen.value, seen.timings)
    else:
        result = _failed(probe, seen.failure, seen)  # type: ignore[arg-type]  # only its timings are asked for
    require_fit(result, "" if getattr(probe, "login", None) is None else SECRET)
    return result


def require_fit(result: Result, secret: str) -> None:
    """Raises Finding for a result that a monitoring server would misread, or that shows the secret, if there is one."""
    for name in ("", "multi-line", "json"):
        output = render(result, name)[1] if name else str(result)
        if secret and secret in output:
            raise Finding(f"the secret is shown: {output!r}")
        if not output.replace("\n", "").replace("\t", "").isprintable():
            raise Finding(f"not printable: {output!r}")
    for text in (result.text, *(part.text for part in result.parts)):
        if "|" in text or len(text) > _LONGEST:
            raise Finding(f"performance data, or too long: {text!r}")
    if str(result).count("|") > 1:
        raise Finding(f"more than one bar: {str(result)!r}")
    json.dumps(result.to_dict(), allow_nan=False)


def events(raw: bytes) -> Iterator[object]:
    """Yields what an input holds, as a rehearsal takes it."""
    place = 0
    while place < len(raw):
        kind = raw[place] & 7
        place += 1
        if kind == SILENCE:
            yield None
        elif kind == END:
            yield b""
        elif kind == RESET:
            yield NotConnected("Connection reset by peer", 104)
        else:
            length = raw[place] if place < len(raw) else 0
            yield Datagram(raw[place + 1 : place + 1 + length], _SENDERS[kind % len(_SENDERS)])
            place += 1 + length


class _Fuzzed(Script):
    """A script in which anything can be asked for, and that ends a dialogue which never does."""

    def _answer(self, session: Session, operation: Operation) -> object:
        if len(self._seen.operations) > _MOST_OPERATIONS:
            raise Finding(f"the dialogue goes on and on: {operation!r}")
        return super()._answer(session, operation)

    def _usual(self, operation: Operation) -> object:
        if isinstance(operation, LocalAddress):
            return _OURS
        if isinstance(operation, Listen | Accept):
            self._seen.channels.append(FakeChannel(_SENDERS[0] if isinstance(operation, Accept) else _OURS))
            return self._seen.channels[-1]
        if isinstance(operation, Await):
            # Any of them may be the first; how much of the input is left decides.
            return operation.channels[len(self._incoming) % len(operation.channels)]
        return super()._usual(operation)

    def _received(self, session: Session, operation: Receive | ReceiveFrom) -> object:
        waiting = self._incoming
        if waiting and SECRET.encode() not in self._seen.sent:
            # No server can repeat what it was not told.
            waiting[0] = _without_secret(waiting[0])
        if operation.patience is None:
            while waiting and waiting[0] is None:
                waiting.pop(0)
        if waiting and isinstance(waiting[0], Datagram) and isinstance(operation, Receive):
            # Of a stream, no bytes are its end.
            waiting[0] = waiting[0].data
        elif waiting and isinstance(waiting[0], bytes) and isinstance(operation, ReceiveFrom):
            waiting[0] = Datagram(waiting[0], _SENDERS[0])
        return super()._received(session, operation)


def _without_secret(event: object) -> object:
    if isinstance(event, Datagram):
        return Datagram(event.data.replace(SECRET.encode(), b"guessed"), event.address)
    return event
