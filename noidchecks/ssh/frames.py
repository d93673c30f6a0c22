"""The protocol between a check and its worker process: frames of a kind, four bytes of length, and contents."""

from __future__ import annotations

import marshal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# From the check: the settings, the requests to log in and to open SFTP. DATA is the data of SFTP, in both directions.
SETTINGS, LOGIN, OPEN, DATA = b"S", b"L", b"O", b"D"
# From the worker: the host key, the accepted login method, the confirmation of SFTP, its end, a failure.
KEY, METHOD, OPENED, END, FAILED = b"K", b"M", b"P", b"E", b"F"
KINDS = frozenset((SETTINGS, LOGIN, OPEN, DATA, KEY, METHOD, OPENED, END, FAILED))
# The longest contents; data comes in pieces of at most 256 KiB, so a longer frame is a defect.
LIMIT = 1 << 20
_HEAD = 5


class Broken(ValueError):
    """The bytes are not frames: the worker process is defective."""


def pack(kind: bytes, contents: bytes) -> bytes:
    """Returns a frame."""
    return kind + len(contents).to_bytes(4) + contents


def pack_values(kind: bytes, *values: object) -> bytes:
    """Returns a frame of values that marshal supports."""
    return pack(kind, marshal.dumps(values))  # type: ignore[arg-type]  # plain ones; a defect otherwise


def values(contents: bytes) -> tuple[Any, ...]:
    """Returns the values of a frame; only for frames from a process of this program."""
    found: tuple[Any, ...] = marshal.loads(contents)  # noqa: S302  # a pipe between two processes of this program
    return found


class FrameReader:
    """A sans-IO parser that splits received bytes into frames."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Adds received bytes."""
        self._buffer += data

    def next(self) -> tuple[bytes, bytes] | None:
        """Returns the kind and contents of the next frame, or None when more bytes are needed; raises Broken."""
        if len(self._buffer) < _HEAD:
            return None
        kind, length = bytes(self._buffer[:1]), int.from_bytes(self._buffer[1:_HEAD])
        if kind not in KINDS or length > LIMIT:
            raise Broken(f"kind {kind!r}, length {length}")
        end = _HEAD + length
        if len(self._buffer) < end:
            return None
        contents = bytes(self._buffer[_HEAD:end])
        del self._buffer[:end]
        return kind, contents
