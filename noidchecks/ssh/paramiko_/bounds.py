"""Limits for what a server says, which are asked before paramiko takes it apart."""

from __future__ import annotations

# What OpenSSH takes; more than the 35000 bytes that RFC 4253 section 6.1 asks for.
PACKET_LIMIT = 256 << 10
# Of messages between data; a server that sends more of them has nothing to say. Behind data they begin again: some
# servers widen the window after each request.
_MOST_MESSAGES = 10_000
# Host keys, signatures and shares of a key exchange: an RSA key of 16384 bits takes 2 KiB, a certificate a few.
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
    """A message beyond its limits; the text says which."""


class Bounds:
    """The limits of one connection."""

    __slots__ = ("_messages", "_errors")

    def __init__(self) -> None:
        self._messages = 0
        self._errors = 0

    def check(self, kind: int, body: bytes) -> None:
        """Excess for a message, body being what follows its type, that is not to be taken apart."""
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
    """Excess for a packet that is not to be collected."""
    if size > PACKET_LIMIT:
        raise Excess(f"a packet of {size} bytes")


def _require(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise Excess(f"{count} {what}")


def _lengths(body: bytes) -> list[int]:
    """Returns the lengths that a sequence of strings and integers (RFC 4251 section 5) tells, as far as it goes."""
    place, found = 0, []
    while place + 4 <= len(body):
        found.append(int.from_bytes(body[place : place + 4]))
        place += 4 + found[-1]
    return found


def _questions(body: bytes) -> int:
    """Returns how many prompts an INFO_REQUEST announces (RFC 4256 section 3.2); 0 for what is none."""
    place = 0
    for _ in range(3):
        place += 4 + int.from_bytes(body[place : place + 4])
    return int.from_bytes(body[place : place + 4])
