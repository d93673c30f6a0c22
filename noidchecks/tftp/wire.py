"""TFTP packets (RFC 1350, 2347): builds those of a client, and parses those of a server."""

from __future__ import annotations

from ..errors import PeerError
from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    Packet: TypeAlias = "Data | Error | OptionAck"
    AnswerToWriter: TypeAlias = "Ack | Error | OptionAck"

RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)
_OPCODES = ("RRQ", "WRQ", "DATA", "ACK", "ERROR", "OACK")

# A request with all its options has at most 512 octets (RFC 2347).
REQUEST_LIMIT = 512

# option -> the least and the greatest value that a client may request (RFC 2348, 7440)
OPTION_LIMITS = {"blksize": (8, 65464), "windowsize": (1, 65535)}

NOT_DEFINED, FILE_NOT_FOUND, ACCESS_VIOLATION, DISK_FULL, ILLEGAL_OPERATION, UNKNOWN_TRANSFER_ID = range(6)
OPTION_REFUSED = 8
# The texts of RFC 1350 and RFC 2347, for servers that send a code without a message.
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

    block: int
    payload: bytes

    def __init__(self, block: int, payload: bytes) -> None:
        self._fill({"block": block, "payload": payload})


class Ack(Value):
    """An acknowledgement of a block and of all earlier ones."""

    block: int

    def __init__(self, block: int) -> None:
        self._fill({"block": block})


class Error(Value):
    """An error packet, which ends the transfer and is never answered."""

    code: int
    message: bytes

    def __init__(self, code: int, message: bytes) -> None:
        self._fill({"code": code, "message": message})

    @property
    def text(self) -> str:
        """The server's message made printable, or the text of the RFC for an empty message."""
        words = printable(self.message, _SHOWN_CHARACTERS).strip()
        return words or self.meaning or "No message"

    @property
    def meaning(self) -> str:
        """The RFC's text for the code; "" for an unknown code."""
        return _MEANINGS[self.code] if self.code < len(_MEANINGS) else ""


class OptionAck(Value):
    """An option acknowledgement: names and values as the server wrote them, in its order."""

    options: tuple[tuple[bytes, bytes], ...]

    def __init__(self, options: tuple[tuple[bytes, bytes], ...]) -> None:
        self._fill({"options": options})


def request(filename: bytes, mode: str, options: Mapping[str, int], opcode: int = RRQ) -> bytes:
    """Returns a read request or, with that opcode, a write request."""
    words = [filename, mode.encode()]
    for name, value in options.items():
        words += (name.encode(), b"%d" % value)
    return b"".join((opcode.to_bytes(2, "big"), *(word + b"\0" for word in words)))


def data(number: int, payload: bytes) -> bytes:
    """Returns a DATA packet; the block after 65535 has the number 0."""
    return b"\0\3" + (number & 0xFFFF).to_bytes(2, "big") + payload


def acknowledgement(block: int) -> bytes:
    """Returns the acknowledgement of a block; block 0 acknowledges an OACK."""
    return b"\0\4" + block.to_bytes(2, "big")


def error(code: int, message: str) -> bytes:
    """Returns an error packet."""
    return b"\0\5" + code.to_bytes(2, "big") + message.encode() + b"\0"


def decode(datagram: bytes) -> Packet:
    """Reads a packet that a server may send to a reader; PeerError for any other."""
    if len(datagram) >= 4 and datagram.startswith(b"\0\3"):
        return Data(int.from_bytes(datagram[2:4], "big"), datagram[4:])
    return _decode_rest(datagram, DATA)


def decode_answer_to_writer(datagram: bytes) -> AnswerToWriter:
    """Reads a packet that a server may send to a writer; PeerError for any other."""
    if len(datagram) >= 4 and datagram.startswith(b"\0\4"):
        return Ack(int.from_bytes(datagram[2:4], "big"))
    return _decode_rest(datagram, ACK)


def _decode_rest(datagram: bytes, wanted: int) -> Error | OptionAck:
    opcode = int.from_bytes(datagram[:2], "big")
    words = f"{_OPCODES[wanted - 1]}, OACK or ERROR"
    if len(datagram) >= 4 and opcode == ERROR:
        # Some servers omit the NUL after the message, which is unambiguous without it.
        return Error(int.from_bytes(datagram[2:4], "big"), datagram[4:].partition(b"\0")[0])
    if len(datagram) >= 2 and opcode == OACK:
        return OptionAck(_pairs(datagram))
    if len(datagram) < 2 or opcode in (wanted, ERROR):
        raise broken("packet", f"a whole {words}", datagram)
    name = _OPCODES[opcode - 1] if 0 < opcode <= len(_OPCODES) else f"opcode {opcode}"
    raise broken("packet", words, name)


def broken(subject: str, expected: str, received: bytes | str) -> PeerError:
    """Returns the error for a violation of the protocol, with one printable sentence."""
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
