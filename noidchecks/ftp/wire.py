"""Parses FTP replies (RFC 959 section 4.2)."""

from __future__ import annotations

from ..value import Value, setters

_FIRST_DIGITS = b"12345"
_DIGITS = b"0123456789"
_RETURN = 0x0D
_IAC = b"\xff"
_WITH_OPTION = (b"\xfb", b"\xfc", b"\xfd", b"\xfe")
_MOST_TELNET = 16


class Reply(Value):
    """One complete reply: its code and all of its bytes, line ends included."""

    code: int
    raw: bytes

    def __init__(self, code: int, raw: bytes) -> None:
        _set_code(self, code)
        _set_raw(self, raw)

    @property
    def kind(self) -> int:
        """The first digit: 1 preliminary, 2 success, 3 more input required, 4 and 5 refusal."""
        return self.code // 100

    @property
    def is_unknown_command(self) -> bool:
        """Whether the command itself is refused, not its execution: the second digit is 0 (RFC 959 section 4.2)."""
        return self.kind in (4, 5) and self.code // 10 % 10 == 0


_set_code, _set_raw = setters(Reply)


class ReplyReader:
    """A sans-IO parser of replies; a multi-line reply ends with the line that begins with its code and a blank.

    Lines end with CR LF, LF or CR alone; Telnet commands and NUL before a line are ignored (RFC 854). A line without a
    code outside of a multi-line reply, an empty one too, is skipped, as clients do; passed has the first such line.
    The caller limits the number of bytes that it feeds.
    """

    __slots__ = ("passed", "_buffer", "_code", "_line", "_other")

    def __init__(self) -> None:
        self.passed = b""
        self._buffer = bytearray()
        # The offset of the first unparsed line, and the code of the multi-line reply that it is a part of.
        self._line = 0
        self._code = b""
        # The code of the last parsed line if only its code keeps it from ending the multi-line reply.
        self._other = b""

    @property
    def is_inside_lines(self) -> bool:
        """Whether the first line of a multi-line reply was read, but not the last one."""
        return bool(self._code)

    @property
    def begins_last_line(self) -> bool:
        """Whether the unread bytes are the last line of a reply without its line end."""
        line = _bare(self._buffer[self._line :])
        if self._code:
            return line[:4] == self._code + b" "
        return len(line) > 3 and line[3:4] == b" " and _is_code(line[:3])

    @property
    def lacks_line_feed(self) -> bool:
        """Whether the unread bytes are a last line that ends in CR, after which some servers send no LF."""
        return self._buffer.endswith(b"\r") and self._ends(_bare(self._buffer[self._line :])) is not None

    @property
    def ends_otherwise(self) -> bool:
        """Whether the last line received would end the multi-line reply but has another code than its first line."""
        return bool(self._other) and self._line == len(self._buffer)

    @property
    def stray(self) -> bytes:
        """The bytes since the last reply that are not a reply: the first skipped line, or the unread bytes."""
        return self.passed or bytes(self._buffer).strip()

    @property
    def has_more(self) -> bool:
        """Whether there are unread bytes."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Adds received bytes."""
        self._buffer += data

    def next(self) -> Reply | None:
        """Returns the next complete reply, or None when more bytes are needed."""
        while (end := self._end_of_line()) > 0:
            line = _bare(self._buffer[self._line : end])
            self._line = end
            if (code := self._ends(line)) is not None:
                return self._take(code)
            if self._code:
                self._other = bytes(line[:3]) if _is_code(line[:3]) and line[3:4] == b" " else b""
            elif _is_code(line[:3]) and line[3:4] == b"-":
                self._code = bytes(line[:3])
            else:
                self._pass_over()
        return None

    def end(self) -> Reply | None:
        """Returns the reply in the unread bytes, given that the server sends nothing more, or None."""
        line = _bare(self._buffer[self._line :])
        if (code := self._ends(line)) is not None:
            self._line = len(self._buffer)
            return self._take(code)
        if self.ends_otherwise:
            # The code of the last line counts, as in curl.
            return self._take(int(self._other))
        return None

    def _end_of_line(self) -> int:
        """Returns the offset after the line end of the current line, 0 while the line is incomplete."""
        feed = self._buffer.find(b"\n", self._line)
        back = self._buffer.find(b"\r", self._line, feed if feed >= 0 else len(self._buffer))
        if back >= 0 and back + 1 != feed:
            while back < len(self._buffer) and self._buffer[back] == _RETURN:
                back += 1
            if back < len(self._buffer) and back != feed:
                return back
        return feed + 1

    def _ends(self, line: bytes | bytearray) -> int | None:
        """Returns the code of the reply that ends with the line, or None."""
        code = line[:3]
        if line[3:4] not in (b" ", b"") or not _is_code(code) or (self._code and code != self._code):
            return None
        return int(code)

    def _pass_over(self) -> None:
        self.passed = self.passed or bytes(self._buffer[: self._line]).strip()
        del self._buffer[: self._line]
        self._line = 0

    def _take(self, code: int) -> Reply:
        raw = bytes(self._buffer[: self._line])
        del self._buffer[: self._line]
        self._line = 0
        self._code = self._other = self.passed = b""
        return Reply(code, raw)


def _bare(line: bytes | bytearray) -> bytes:
    """Returns the line without its line end and without leading Telnet commands and NUL."""
    bare = bytes(line).rstrip(b"\r\n").lstrip(b"\0")
    left = _MOST_TELNET
    while left and bare.startswith(_IAC):
        left -= 1
        # WILL, WON'T, DO and DON'T are followed by an option.
        bare = bare[3 if bare[1:2] in _WITH_OPTION else 2 :].lstrip(b"\0")
    return bare


def _is_code(text: bytes | bytearray) -> bool:
    return len(text) == 3 and text[0] in _FIRST_DIGITS and text[1] in _DIGITS and text[2] in _DIGITS
