"""The SSH identification string, and the lines that may stand before it (RFC 4253 section 4.2)."""

from __future__ import annotations

from ..value import Value

# The words of the C plugin for a peer that sends no identification string, or a broken one.
MISSING = "No version control string received"
INVALID = "Invalid protocol version control string"

# Of the identification line, CR LF included.
IDENTIFICATION_LIMIT = 255

_PREFIX = b"SSH-"
_PROTOCOL_BYTES = b"0123456789."
_DIGITS = "0123456789"

# What OpenSSH's listener writes before it drops a connection (drop_connection() in sshd.c). Before 9.8 the first for
# MaxStartups and PerSourceMaxStartups; since then the second for both, and for PerSourcePenalties too.
_REFUSALS = {
    b"Exceeded MaxStartups": "overloaded",
    b"Not allowed at this time": "overloaded or penalising us",
}

# How servers of other protocols begin: POP3, IMAP, HTTP, VNC, rsync, Telnet (IAC), TLS (alert, handshake).
_FOREIGN = (b"+OK", b"* OK", b"HTTP/", b"RFB 0", b"@RSYNCD:", b"\xff", b"\x15\x03", b"\x16\x03")
_HEAD = 8


class Malformed(ValueError):
    """A line begins like an identification string but is none; line holds at most 255 bytes of it."""

    def __init__(self, reason: str, line: bytes) -> None:
        super().__init__(reason)
        self.line = line[:IDENTIFICATION_LIMIT]


class LimitExceeded(ValueError):
    """The peer sends more than is read before its identification string; the message is the limit."""


class Identification(Value):
    """An identification string: `SSH-protocol-software`, and a comment behind the first blank."""

    line: bytes
    protocol: bytes
    software: bytes
    comment: bytes

    def __init__(self, line: bytes, protocol: bytes, software: bytes, comment: bytes = b"") -> None:
        self._fill(locals())

    @classmethod
    def parse(cls, line: bytes) -> Identification:
        """Takes a line without its line end apart; Malformed."""
        protocol, _, version = line.removeprefix(_PREFIX).partition(b"-")
        software, _, comment = version.partition(b" ")
        if not is_identification(line) or not protocol or protocol.strip(_PROTOCOL_BYTES):
            raise Malformed("no protocol version", line)
        if not software:
            raise Malformed("no software version", line)
        return cls(line, protocol, software, comment)

    @property
    def version(self) -> bytes:
        """Software and comment."""
        return self.line.partition(b"-")[2].partition(b"-")[2]


class GreetingReader:
    """Bytes in any chunks in, lines without their line ends out: any before the identification line, then that one.

    Line ends may be CR LF or LF alone. What comes before the identification line is limited in lines and bytes, that
    line itself to the 255 bytes of the RFC.
    """

    __slots__ = ("_buffer", "_searched", "_lines", "_bytes", "_max_lines", "_max_bytes")

    def __init__(self, *, max_lines: int = 1024, max_bytes: int = 65536) -> None:
        self._buffer = bytearray()
        # How much of the buffer is known to hold no line end.
        self._searched = 0
        self._lines = 0
        self._bytes = 0
        self._max_lines = max_lines
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes bytes in."""
        self._buffer += data

    def next(self) -> bytes | None:
        """Returns the next complete line, or None when more bytes are needed; Malformed, LimitExceeded."""
        end = self._buffer.find(b"\n", self._searched)
        self._check(len(self._buffer) if end < 0 else end + 1)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        self._lines += 1
        self._bytes += end + 1
        return line.removesuffix(b"\r")

    def end(self) -> bytes | None:
        """Returns what the peer sent after its last line end, None when that is nothing."""
        line = bytes(self._buffer)
        self._buffer.clear()
        return line.removesuffix(b"\r") or None

    def rest(self) -> bytes:
        """Returns what was fed and not yet returned as a line: behind the identification line, packets begin."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return rest

    def _check(self, size: int) -> None:
        # Decided byte by byte, so that it does not depend on the chunks in which the bytes came.
        if is_identification(self._buffer):
            if size > IDENTIFICATION_LIMIT:
                raise Malformed(f"longer than {IDENTIFICATION_LIMIT} bytes", bytes(self._buffer[:IDENTIFICATION_LIMIT]))
        elif not _PREFIX.startswith(bytes(self._buffer[: len(_PREFIX)])):
            if self._lines >= self._max_lines:
                raise LimitExceeded(f"{self._max_lines} lines")
            if self._bytes + size > self._max_bytes:
                raise LimitExceeded(f"{self._max_bytes} bytes")


def is_identification(line: bytes | bytearray) -> bool:
    """Tells whether a line is meant as identification string; no line before it may begin so."""
    return line.startswith(_PREFIX)


def refusal(line: bytes) -> str:
    """Returns what a line of OpenSSH's listener says of the server: overloaded, penalising us; "" for other lines."""
    return _REFUSALS.get(line, "")


def is_foreign(head: bytes) -> bool:
    """Tells whether the first bytes of a peer are those of another protocol; False also means not yet known.

    A three-digit code is the greeting of FTP, SMTP or NNTP, a NUL that of a binary protocol such as MySQL's.
    """
    code = head[:3]
    if len(head) > 3 and code.isdigit() and head[3:4] in (b" ", b"-"):
        return True
    return head.startswith(_FOREIGN) or b"\0" in head[:_HEAD]


def version_numbers(text: str) -> tuple[int, ...]:
    """Returns the numbers of a version, the patch level of `9.2p1` as the last; () when there are none.

    They are the first ones that do not follow a letter (in `libssh2_1.10` the 1 and the 10), else simply the first.
    Zeros at the end are left out, so that 9 and 9.0 are equal.
    """
    first: tuple[int, ...] = ()
    place = 0
    while place < len(text):
        if text[place] not in _DIGITS:
            place += 1
            continue
        apart = not place or not text[place - 1].isalpha()
        numbers, place = _numbers_at(text, place)
        if apart:
            return numbers
        first = first or numbers
    return first


def _numbers_at(text: str, place: int) -> tuple[tuple[int, ...], int]:
    numbers = []
    while True:
        end = place
        while end < len(text) and text[end] in _DIGITS:
            end += 1
        numbers.append(int(text[place:end]))
        place = end + 1
        if place >= len(text) or text[end] not in ".p" or text[place] not in _DIGITS:
            break
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), end
