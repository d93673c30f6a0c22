"""Parses the SSH identification string and the lines that may precede it (RFC 4253 section 4.2)."""

from __future__ import annotations

from ..value import Value

# The texts of the C plugin for a missing and an invalid identification string.
MISSING = "No version control string received"
INVALID = "Invalid protocol version control string"

# The longest identification string, CR LF included.
IDENTIFICATION_LIMIT = 255

_PREFIX = b"SSH-"
_PROTOCOL_BYTES = b"0123456789."
_DIGITS = "0123456789"

# The lines that OpenSSH's listener sends before it drops a connection (drop_connection() in sshd.c): before 9.8 the
# first for MaxStartups and PerSourceMaxStartups; since then the second for both, and for PerSourcePenalties too.
_REFUSALS = {
    b"Exceeded MaxStartups": "overloaded",
    b"Not allowed at this time": "overloaded or penalising us",
}

# The first bytes of other protocols: POP3, IMAP, HTTP, VNC, rsync, Telnet (IAC), TLS (alert, handshake).
_FOREIGN = (b"+OK", b"* OK", b"HTTP/", b"RFB 0", b"@RSYNCD:", b"\xff", b"\x15\x03", b"\x16\x03")
_HEAD = 8


class Malformed(ValueError):
    """A line begins like an identification string but is invalid; line holds at most 255 bytes of it."""

    def __init__(self, reason: str, line: bytes) -> None:
        super().__init__(reason)
        self.line = line[:IDENTIFICATION_LIMIT]


class LimitExceeded(ValueError):
    """The peer sends too many lines or bytes before its identification string; the message is the limit."""


class Identification(Value):
    """An identification string: `SSH-protocol-software`, and a comment after the first blank."""

    line: bytes
    protocol: bytes
    software: bytes
    comment: bytes

    def __init__(self, line: bytes, protocol: bytes, software: bytes, comment: bytes = b"") -> None:
        self._fill(locals())

    @classmethod
    def parse(cls, line: bytes) -> Identification:
        """Parses a line without its line end; raises Malformed."""
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
    """A sans-IO parser that splits received bytes into lines without line ends, up to the identification string.

    Line ends may be CR LF or LF alone. The lines before the identification string are limited in number and bytes, the
    string itself to the 255 bytes of the RFC.
    """

    __slots__ = ("_buffer", "_searched", "_lines", "_bytes", "_max_lines", "_max_bytes")

    def __init__(self, *, max_lines: int = 1024, max_bytes: int = 65536) -> None:
        self._buffer = bytearray()
        # The length of the beginning of the buffer that is known to have no line end.
        self._searched = 0
        self._lines = 0
        self._bytes = 0
        self._max_lines = max_lines
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Adds received bytes."""
        self._buffer += data

    def next(self) -> bytes | None:
        """Returns the next complete line, or None when more bytes are needed; raises Malformed, LimitExceeded."""
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
        """Returns the bytes after the last line end, None when there are none."""
        line = bytes(self._buffer)
        self._buffer.clear()
        return line.removesuffix(b"\r") or None

    def rest(self) -> bytes:
        """Returns the bytes that were not returned as lines: after the identification string, these are packets."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return rest

    def _check(self, size: int) -> None:
        # Independent of the chunks in which the bytes were received.
        if is_identification(self._buffer):
            if size > IDENTIFICATION_LIMIT:
                raise Malformed(f"longer than {IDENTIFICATION_LIMIT} bytes", bytes(self._buffer[:IDENTIFICATION_LIMIT]))
        elif not _PREFIX.startswith(bytes(self._buffer[: len(_PREFIX)])):
            if self._lines >= self._max_lines:
                raise LimitExceeded(f"{self._max_lines} lines")
            if self._bytes + size > self._max_bytes:
                raise LimitExceeded(f"{self._max_bytes} bytes")


def is_identification(line: bytes | bytearray) -> bool:
    """Tells whether a line begins as an identification string, which earlier lines must not."""
    return line.startswith(_PREFIX)


def refusal(line: bytes) -> str:
    """Returns the meaning of a refusal by OpenSSH's listener, such as "overloaded"; "" for other lines."""
    return _REFUSALS.get(line, "")


def is_foreign(head: bytes) -> bool:
    """Tells whether the first bytes of a peer belong to another protocol; False also means not yet known.

    A three-digit code is a greeting of FTP, SMTP or NNTP; a NUL is from a binary protocol such as MySQL's.
    """
    code = head[:3]
    if len(head) > 3 and code.isdigit() and head[3:4] in (b" ", b"-"):
        return True
    return head.startswith(_FOREIGN) or b"\0" in head[:_HEAD]


def version_numbers(text: str) -> tuple[int, ...]:
    """Returns the numbers of a version, the patch level of `9.2p1` as the last; () when there are none.

    They are the first numbers that do not follow a letter (in `libssh2_1.10` the 1 and the 10), otherwise the first of
    all. Trailing zeros are left out, so that 9 and 9.0 are equal.
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
