"""FTP replies taken from bytes (RFC 959 section 4.2)."""

from __future__ import annotations

from ..value import Value

_FIRST_DIGITS = b"12345"
_DIGITS = b"0123456789"


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
