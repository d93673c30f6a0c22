"""TFTP packets (RFC 1350, 2347): those that a reading client sends, and those that it may be sent."""

from __future__ import annotations

from ..errors import PeerError
from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    Packet: TypeAlias = "Data | Error | OptionAck"

RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)
_OPCODES = ("RRQ", "WRQ", "DATA", "ACK", "ERROR", "OACK")

# RFC 2347: the request with all of its options fits the 512 octets of a request packet.
REQUEST_LIMIT = 512

NOT_DEFINED, FILE_NOT_FOUND, ACCESS_VIOLATION, DISK_FULL, ILLEGAL_OPERATION, UNKNOWN_TRANSFER_ID = range(6)
OPTION_REFUSED = 8
# RFC 1350's and RFC 2347's own words, for servers that send a code without any.
_MEANINGS = (
    "Not defined",
    "File not found",
    "Access violation",
    "Disk full or allocation exceeded",
    "Illegal TFTP operation",
    "Unknown transfer ID",
    "File already exists",
    "No such user",
    "Option negotiation failed",
)

_SHOWN_BYTES = 32
_SHOWN_CHARACTERS = 400


class Data(Value):
    """One block of the file; block is its number, 0..65535."""

    __slots__ = ("block", "payload")
    block: int
    payload: bytes

    def __init__(self, block: int, payload: bytes) -> None:
        self._fill({"block": block, "payload": payload})


class Error(Value):
    """An error packet: it ends the transfer, and nothing answers it."""

    __slots__ = ("code", "message")
    code: int
    message: bytes

    def __init__(self, code: int, message: bytes) -> None:
        self._fill({"code": code, "message": message})

    @property
    def text(self) -> str:
        """The server's own words made printable, or those of the RFC when it has none."""
        words = printable(self.message, _SHOWN_CHARACTERS).strip()
        if not words:
            words = _MEANINGS[self.code] if self.code < len(_MEANINGS) else "No message"
        return words


class OptionAck(Value):
    """An option acknowledgement: names and values as the server wrote them, in its order."""

    __slots__ = ("options",)
    options: tuple[tuple[bytes, bytes], ...]

    def __init__(self, options: tuple[tuple[bytes, bytes], ...]) -> None:
        self._fill({"options": options})


def request(filename: bytes, mode: str, options: Mapping[str, int]) -> bytes:
    """Returns the read request."""
    words = [filename, mode.encode()]
    for name, value in options.items():
        words += (name.encode(), b"%d" % value)
    return b"".join((b"\0\1", *(word + b"\0" for word in words)))


def acknowledgement(block: int) -> bytes:
    """Returns the acknowledgement of a block; block 0 is the one of an option acknowledgement."""
    return b"\0\4" + block.to_bytes(2, "big")


def error(code: int, message: str) -> bytes:
    """Returns an error packet."""
    return b"\0\5" + code.to_bytes(2, "big") + message.encode() + b"\0"


def decode(datagram: bytes) -> Packet:
    """Reads a packet that a server may send; PeerError for any other."""
    opcode = int.from_bytes(datagram[:2], "big")
    if len(datagram) >= 4:
        if opcode == DATA:
            return Data(int.from_bytes(datagram[2:4], "big"), datagram[4:])
        if opcode == ERROR:
            # Not every server ends its message with the NUL; what it means is clear all the same.
            return Error(int.from_bytes(datagram[2:4], "big"), datagram[4:].partition(b"\0")[0])
    if len(datagram) >= 2 and opcode == OACK:
        return OptionAck(_pairs(datagram))
    if len(datagram) < 2 or opcode in (DATA, ERROR):
        raise broken("packet", "a whole DATA, OACK or ERROR", datagram)
    name = _OPCODES[opcode - 1] if 0 < opcode <= len(_OPCODES) else f"opcode {opcode}"
    raise broken("packet", "DATA, OACK or ERROR", name)


def broken(subject: str, expected: str, received: bytes | str) -> PeerError:
    """Returns the error for a server that breaks the protocol, with one printable sentence."""
    if isinstance(received, bytes):
        dots = "..." if len(received) > _SHOWN_BYTES else ""
        shown = f"{ascii(received[:_SHOWN_BYTES])[1:]}{dots} ({len(received)} bytes)"
    else:
        shown = received
    return PeerError(
        printable(f"{subject}: expected {expected}, received {shown}"), expected=expected, received=received
    )


def _pairs(datagram: bytes) -> tuple[tuple[bytes, bytes], ...]:
    words = datagram[2:].split(b"\0")
    if words.pop() or len(words) % 2:
        raise broken("OACK", "names and values, each ended by NUL", datagram)
    return tuple(zip(words[::2], words[1::2], strict=True))
