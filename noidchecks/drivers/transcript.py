"""Operations and their answers in words, for -v and for debugging."""

from __future__ import annotations

from ..dialogue import Connect, OpenDatagram, Phase, Receive, ReceiveFrom, Resolve, Send, SendTo, Sleep
from ..errors import ProbeError
from ..status.text import printable

_SHOWN = 512
_SHOWN_BINARY = 16


def describe(operation: object, outcome: object) -> str:
    """Returns one printable line for a granted or refused operation, "" for one that tells nothing."""
    words = _words(operation)
    if not words:
        return ""
    if isinstance(outcome, ProbeError):
        return f"{words}: {printable(outcome.message)}"
    answer = _answer(operation, outcome)
    return f"{words}: {answer}" if answer else words


def _words(operation: object) -> str:
    match operation:
        case Phase(name=name):
            return f"-- {name}"
        case Resolve(host=host, port=port):
            return f"resolve {printable(host)} port {port}"
        case Connect(address=address):
            return f"connect {address}"
        case OpenDatagram():
            return "open datagram socket"
        case Send(shown=shown) if shown:
            # Without the length, which would be that of the secret.
            return f"> {_escaped(shown)}"
        case Send(data=data):
            return f"> {len(data)} bytes {_escaped(data)}"
        case SendTo(data=data, address=address):
            return f"> {address} {len(data)} bytes {_escaped(data)}"
        case Receive() | ReceiveFrom():
            return "<"
        case Sleep(seconds=seconds):
            return f"sleep {seconds:g} s"
    return ""


def _answer(operation: object, outcome: object) -> str:
    if isinstance(operation, Receive | ReceiveFrom):
        if outcome is None:
            return "nothing in time"
        if isinstance(outcome, bytes):
            return f"{len(outcome)} bytes {_escaped(outcome)}" if outcome else "end of stream"
        data, address = outcome.data, outcome.address  # type: ignore[attr-defined]  # a Datagram is all that is left
        return f"{address} {len(data)} bytes {_escaped(data)}"
    if isinstance(operation, Resolve) and isinstance(outcome, tuple):
        return ", ".join(address.host for address in outcome)
    return ""


def _escaped(data: bytes) -> str:
    # Of TLS records and file contents the beginning is enough to know them by.
    shown = data[: _SHOWN if data.isascii() else _SHOWN_BINARY]
    return printable(ascii(shown)[1:]) + ("..." if len(data) > len(shown) else "")
