"""Limits for a server's messages, which are checked before paramiko parses them."""

from __future__ import annotations

# OpenSSH's limit; RFC 4253 section 6.1 requires only 35000 bytes.
PACKET_LIMIT = 256 << 10
# The most consecutive messages without data, against a flood of them. Data resets the count, because some servers
# adjust the window after each request.
_MOST_MESSAGES = 10_000
# The longest host key, signature or key share: an RSA key of 16384 bits has 2 KiB, a certificate some more.
_KEX_FIELD_LIMIT = 16 << 10
_MOST_EXTENSIONS = 64
_MOST_QUESTIONS = 32
# Standard error of the SFTP server, which paramiko keeps until somebody reads it, whatever window the server was given.
_MOST_ERRORS = 1 << 20

_EXT_INFO = 7
_KEX = range(30, 50)
_INFO_REQUEST = 60
_CHANNEL_DATA, _CHANNEL_EXTENDED_DATA = 94, 95


class Excess(ValueError):
    """A message exceeds a limit; the text says which one."""


class Bounds:
    """The limits of one connection."""

    __slots__ = ("_messages", "_errors")

    def __init__(self) -> None:
        self._messages = 0
        self._errors = 0

    def check(self, kind: int, body: bytes) -> None:
        """Raises Excess for a message that exceeds a limit; body is the message without its type."""
        if kind == _CHANNEL_DATA:
            self._messages = 0
            return
        self._messages += 1
        if self._messages > _MOST_MESSAGES:
            raise Excess(f"more than {_MOST_MESSAGES} messages without data")
        if kind in _KEX:
            for length in _lengths(body):
                if length > _KEX_FIELD_LIMIT:
                    raise Excess(f"a field of {length} bytes in a key exchange")
        elif kind == _EXT_INFO:
            _require(int.from_bytes(body[:4]), _MOST_EXTENSIONS, "extensions")
        elif kind == _CHANNEL_EXTENDED_DATA:
            self._errors += len(body)
            _require(self._errors, _MOST_ERRORS, "bytes of errors on the channel")
        elif kind == _INFO_REQUEST:
            _require(_questions(body), _MOST_QUESTIONS, "questions")


def check_packet(size: int) -> None:
    """Raises Excess for a packet that is too long to be read."""
    if size > PACKET_LIMIT:
        raise Excess(f"a packet of {size} bytes")


def _require(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise Excess(f"{count} {what}")


def _lengths(body: bytes) -> list[int]:
    """Returns the length prefixes of a sequence of strings and mpints (RFC 4251 section 5), up to a truncated one."""
    place, found = 0, []
    while place + 4 <= len(body):
        found.append(int.from_bytes(body[place : place + 4]))
        place += 4 + found[-1]
    return found


def _questions(body: bytes) -> int:
    """Returns the number of prompts that an INFO_REQUEST announces (RFC 4256 section 3.2), 0 for a truncated one."""
    place = 0
    for _ in range(3):
        place += 4 + int.from_bytes(body[place : place + 4])
    return int.from_bytes(body[place : place + 4])
