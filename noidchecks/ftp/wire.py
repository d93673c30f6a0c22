"""FTP replies taken from bytes (RFC 959 section 4.2), and what is read in them."""

from __future__ import annotations

from ..errors import PeerError
from ..value import Value

_FIRST_DIGITS = b"12345"
_DIGITS = b"0123456789"
_COMMA, _BLANK = b", "


class Reply(Value):
    """One complete reply: its code and all of its bytes, line ends included."""

    __slots__ = ("code", "raw")
    code: int
    raw: bytes

    def __init__(self, code: int, raw: bytes) -> None:
        self._fill({"code": code, "raw": raw})


class NotAReply(ValueError):
    """The bytes do not begin with a reply."""


class ReplyReader:
    """Bytes in any chunks in, replies out; multi-line replies end with the line that repeats the code and a blank.

    Line ends may be CR LF or LF alone. The caller bounds what it feeds.
    """

    __slots__ = ("_buffer", "_code", "_line")

    def __init__(self) -> None:
        self._buffer = bytearray()
        # Where the first line not yet looked at begins, and the code of the multi-line reply before it.
        self._line = 0
        self._code = b""

    @property
    def is_inside_lines(self) -> bool:
        """Whether the first line of a multi-line reply was read, but not the last one."""
        return bool(self._code)

    @property
    def begins_last_line(self) -> bool:
        """Whether what is left can only be the last line of a reply that still lacks its line end."""
        line = self._buffer[self._line :]
        if self._code:
            return line[:4] == self._code + b" "
        return len(line) > 3 and line[3:4] == b" " and _is_code(line[:3])

    @property
    def has_more(self) -> bool:
        """Whether bytes are left that belong to no reply taken so far."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes bytes in."""
        self._buffer += data

    def next(self) -> Reply | None:
        """Returns the next complete reply, or None when more bytes are needed; NotAReply."""
        while (end := self._buffer.find(b"\n", self._line)) >= 0:
            line = self._buffer[self._line : end].rstrip(b"\r")
            self._line = end + 1
            if self._ends_reply(line):
                return self._take(int(line[:3]))
        if not self._code:
            _require_beginning(self._buffer[:4])
        return None

    def end(self) -> Reply | None:
        """Returns the reply that the peer ended without a line end, or None; NotAReply."""
        line = self._buffer[self._line :].rstrip(b"\r")
        if line and self._ends_reply(line):
            return self._take(int(line[:3]))
        return None

    def _ends_reply(self, line: bytes | bytearray) -> bool:
        separator = line[3:4]
        if self._code:
            return line[:3] == self._code and separator in (b" ", b"")
        if not _is_code(line[:3]) or separator not in (b" ", b"-", b""):
            raise NotAReply
        if separator == b"-":
            self._code = bytes(line[:3])
            return False
        return True

    def _take(self, code: int) -> Reply:
        raw = bytes(self._buffer[: self._line]) if self._line else bytes(self._buffer)
        del self._buffer[: len(raw)]
        self._line = 0
        self._code = b""
        return Reply(code, raw)


def _is_code(text: bytes | bytearray) -> bool:
    return len(text) == 3 and text[0] in _FIRST_DIGITS and text[1] in _DIGITS and text[2] in _DIGITS


def _require_beginning(text: bytes | bytearray) -> None:
    # Tells a peer that speaks something else at its first bytes, not after a time-out.
    for position, byte in enumerate(text):
        allowed = (_FIRST_DIGITS, _DIGITS, _DIGITS, b" -\r")[position]
        if byte not in allowed:
            raise NotAReply


def pasv_endpoint(reply: Reply) -> tuple[str, int]:
    """Returns address and port of a reply 227; the first six numbers count, with or without parentheses. PeerError."""
    text = b",".join(part.strip(b" ") for part in reply.raw[3:].split(b","))
    for word in bytes(byte if byte in _DIGITS or byte == _COMMA else _BLANK for byte in text).split():
        fields = word.split(b",")
        if len(fields) == 6 and all(0 < len(field) <= 3 and int(field) <= 255 for field in fields):
            numbers = [int(field) for field in fields]
            port = numbers[4] * 256 + numbers[5]
            if port:
                return ".".join(map(str, numbers[:4])), port
            break
    raise PeerError("PASV: the reply 227 holds no address and port", expected="h1,h2,h3,h4,p1,p2", received=reply.raw)


def epsv_port(reply: Reply) -> int:
    """Returns the port of a reply 229 (RFC 2428 section 3); PeerError."""
    for text in reply.raw[3:].split(b"(")[1:]:
        delimiter = text[:1]
        if not b"!" <= delimiter <= b"~" or delimiter in _DIGITS:
            continue
        fields = text[1:].split(delimiter, 3)
        if len(fields) == 4 and fields[:2] == [b"", b""] and fields[3].startswith(b")"):
            digits = fields[2]
            if 0 < len(digits) <= 5 and digits.isdigit() and 1 <= int(digits) <= 65535:
                return int(digits)
    raise PeerError("EPSV: the reply 229 holds no port", expected="(|||port|)", received=reply.raw)


def modification_time(reply: Reply) -> tuple[int, int, int, int, int, int]:
    """Returns the six fields of the time (UTC) in a reply 213 to MDTM (RFC 3659 section 3); PeerError."""
    digits = reply.raw[3:].strip().partition(b".")[0]
    if len(digits) == 14 and digits.isdigit():
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
        hour, minute, second = int(digits[8:10]), int(digits[10:12]), int(digits[12:14])
        if year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60:
            return year, month, day, hour, minute, second
    raise PeerError("MDTM: the reply 213 holds no time", expected="YYYYMMDDhhmmss", received=reply.raw)
