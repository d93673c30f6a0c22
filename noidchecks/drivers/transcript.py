"""The debug transcript of a dialogue: its operations and their answers as lines of text, for -v."""

from __future__ import annotations

from ..dialogue.operations import (
    Accept,
    Close,
    Connect,
    Decrypted,
    Delegate,
    Listen,
    LocalAddress,
    OpenDatagram,
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
from ..errors import ProbeError
from ..status.gate import Gate
from ..status.text import printable

_SHOWN = 512
_SHOWN_BINARY = 16
# The most lines and characters kept of the beginning and of the end of a dialogue; a long one loses its middle.
_MOST_LINES = 250
_MOST_CHARACTERS = 24576
_LINES_OF_ONE_PIECE = 20


class Transcript:
    """The lines of a dialogue, limited in number and length; secrets are masked in sent and received data."""

    __slots__ = ("_head", "_tail", "_head_size", "_tail_size", "_left_out", "_gate", "_held", "_hides_received")

    def __init__(self) -> None:
        self._head: list[str] = []
        self._tail: list[str] = []
        self._head_size = 0
        self._tail_size = 0
        self._left_out = 0
        self._gate = Gate()
        self._hides_received = False
        # Received bytes that may be the beginning of a secret, by channel and whether they were decrypted: the rest of
        # the secret may be in the next piece from the same source.
        self._held: dict[tuple[int, bool], bytes] = {}

    def add(self, seconds: float, operation: object, outcome: object) -> None:
        """Adds the lines of an operation and its outcome, if any; seconds are counted from the start of the check."""
        for line in self._lines_of(operation, outcome):
            self._append(f"{seconds:.6f} {line}")

    def lines(self) -> tuple[str, ...]:
        """Returns the lines; where lines were left out, one line says how many."""
        gap = (f"... {self._left_out} lines left out ...",) if self._left_out else ()
        return (*self._head, *gap, *self._tail)

    def _lines_of(self, operation: object, outcome: object) -> list[str]:
        if isinstance(operation, Redact):
            if operation.secret is None:
                self._hides_received = True
            else:
                self._gate.add(operation.secret)
            return []
        if isinstance(operation, Decrypted):
            return self._received(Receive(operation.channel), operation.data, is_decrypted=True)
        if isinstance(operation, Send | Receive) and getattr(operation.channel, "is_internal", False):
            # Bytes between two processes of this program; the dialogue gives a description of what it sends.
            shown = operation.shown if isinstance(operation, Send) else b""
            return [describe(Send(operation.channel, b"", self._gate.masked(shown)), None)] if shown else []
        if isinstance(operation, Receive) and outcome and isinstance(outcome, bytes):
            return self._received(operation, outcome)
        if isinstance(operation, Send):
            data, shown = self._gate.masked(operation.data), self._gate.masked(operation.shown)
            operation = Send(operation.channel, data, shown)
        if isinstance(outcome, ProbeError):
            self._gate.conceal(outcome)
        line = describe(operation, outcome)
        return [line] if line else []

    def _received(self, operation: Receive, data: bytes, *, is_decrypted: bool = False) -> list[str]:
        if self._hides_received:
            return [f"{_words(operation)}: {len(data)} bytes"]
        data = self._gate.masked(self._joined((id(operation.channel), is_decrypted), data))
        return [describe(operation, piece) for piece in _pieces(data)] if data else []

    def _joined(self, source: tuple[int, bool], data: bytes) -> bytes:
        """Returns the bytes held back from the source and the data, without a trailing part that may begin a secret."""
        data = self._held.pop(source, b"") + data
        held = 0
        for secret in self._gate.secrets:
            lengths = range(min(len(secret) - 1, len(data)), 0, -1)
            held = max(held, next((length for length in lengths if data.endswith(secret[:length])), 0))
        if held:
            self._held[source] = data[-held:]
            return data[:-held]
        return data

    def _append(self, line: str) -> None:
        if not self._tail and len(self._head) < _MOST_LINES and self._head_size < _MOST_CHARACTERS:
            self._head.append(line)
            self._head_size += len(line)
            return
        self._tail.append(line)
        self._tail_size += len(line)
        while len(self._tail) > _MOST_LINES or self._tail_size > _MOST_CHARACTERS:
            self._tail_size -= len(self._tail.pop(0))
            self._left_out += 1


def describe(operation: object, outcome: object) -> str:
    """Returns one printable line for an operation and its answer or error, "" for an operation without a line."""
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
        case Listen():
            return "listen"
        case Accept():
            return "accept"
        case LocalAddress():
            return "local address"
        case OpenDatagram():
            return "open datagram socket"
        case Send(shown=shown) if shown:
            # No length is shown, because it would reveal that of the secret.
            return f"> {_escaped(shown)}"
        case Send(data=data):
            return f"> {len(data)} bytes {_escaped(data)}"
        case SendTo(data=data, address=address):
            return f"> {address} {len(data)} bytes {_escaped(data)}"
        case Receive() | ReceiveFrom():
            return "<"
        case Sleep(seconds=seconds):
            return f"sleep {seconds:g} s"
        case Delegate():
            return "go on in a worker process"
        case Close(channel=channel) if _address(channel):
            return f"close {_address(channel)}"
        case ReserveTime(seconds=seconds) if seconds:
            return f"keep {seconds:g} s for the end"
    return ""


def _answer(operation: object, outcome: object) -> str:
    match operation:
        case Receive() | ReceiveFrom() | Accept() if outcome is None:
            return "nothing in time"
        case Receive():
            return f"{len(outcome)} bytes {_escaped(outcome)}" if outcome else "end of stream"  # type: ignore[arg-type]
        case ReceiveFrom():
            data, address = outcome.data, outcome.address  # type: ignore[attr-defined]  # a Datagram
            return f"{address} {len(data)} bytes {_escaped(data)}"
        case Resolve():
            return printable(", ".join(address.host for address in outcome))  # type: ignore[attr-defined]  # a tuple of Address
        case Listen() | Accept():
            return _address(outcome)
        case LocalAddress():
            return str(outcome)
    return ""


def _address(channel: object) -> str:
    # An accepted connection has no address when its peer is gone.
    address = getattr(channel, "address", None)
    return "" if address is None else str(address)


def _pieces(data: bytes) -> list[bytes]:
    """Splits an ASCII text into lines, at most 20 and the rest, and so the lines before binary data.

    Some SSH servers send their KEXINIT in one segment with the identification string.
    """
    is_text = data.isascii()
    pieces: list[bytes] = []
    while len(pieces) < _LINES_OF_ONE_PIECE:
        line, end, rest = data.partition(b"\n")
        if not end or not (is_text or (line.isascii() and line.decode().rstrip("\r").isprintable())):
            break
        pieces.append(line + end)
        data = rest
    return [*pieces, data] if data else pieces


def _escaped(data: bytes) -> str:
    # The first bytes are enough to recognise TLS records and file contents.
    shown = data[: _SHOWN if data.isascii() else _SHOWN_BINARY]
    return printable(ascii(shown)[1:]) + ("..." if len(data) > len(shown) else "")
