"""Sinks for received data, which count, hash and search it but never store it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Sink(Protocol):
        """The interface for received data; size is the number of its bytes."""

        @property
        def size(self) -> int: ...
        def feed(self, data: bytes) -> None: ...


_KEPT = 1024


class Entries:
    """Counts the entries of a listing: lines for which is_entry is true, by default names other than "." and "..".

    last is the last entry, only its last 1024 bytes if it is longer.
    """

    __slots__ = ("size", "count", "last", "_is_entry", "_line")

    def __init__(self, is_entry: Callable[[bytes], bool] | None = None) -> None:
        self._is_entry = is_entry or _is_entry
        self.size = 0
        self.count = 0
        self.last = b""
        # The received part of the current line, only its end if it is long: enough to tell whether it is an entry.
        self._line = b""

    def feed(self, data: bytes) -> None:
        """Adds the next bytes."""
        self.size += len(data)
        *complete, rest = (self._line + data).split(b"\n")
        self._count(complete)
        if len(rest) > _KEPT:
            rest = (b"x" if rest.strip() else b"") + rest[-_KEPT:]
        self._line = rest

    def finish(self) -> None:
        """Counts the last line, which may lack its line end."""
        self._count([self._line])
        self._line = b""

    def _count(self, lines: list[bytes]) -> None:
        found = list(filter(self._is_entry, lines))
        self.count += len(found)
        if found:
            self.last = found[-1][-_KEPT:]


class Content:
    """Counts the bytes of a file, computes its SHA-256 if hashed is set, and searches a text across chunks."""

    __slots__ = ("size", "found", "_hash", "_text", "_tail")

    def __init__(self, *, hashed: bool, text: bytes) -> None:
        self.size = 0
        self.found = not text
        self._text = text
        self._tail = b""
        self._hash = None
        if hashed:
            from hashlib import sha256

            self._hash = sha256()

    def feed(self, data: bytes) -> None:
        """Adds the next bytes."""
        self.size += len(data)
        if self._hash is not None:
            self._hash.update(data)
        if not self.found:
            seen = self._tail + data
            self.found = self._text in seen
            keep = len(self._text) - 1
            self._tail = seen[-keep:] if keep else b""

    @property
    def sha256(self) -> str:
        """The hexadecimal SHA-256, "" unless hashed was set."""
        return "" if self._hash is None else self._hash.hexdigest()


def _is_entry(line: bytes) -> bool:
    name = line.strip()
    # Some servers put the directory before each name.
    return bool(name) and name.rpartition(b"/")[2] not in (b".", b"..")
