"""What arrives over a data connection: counted, hashed and searched, never kept."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Sink(Protocol):
        """Takes what arrives; size counts its bytes."""

        @property
        def size(self) -> int: ...
        def feed(self, data: bytes) -> None: ...


_KEPT = 1024


class Entries:
    """Counts the lines of a list of names, without "." and ".."; is_entry tells the lines that count otherwise.

    last is the last line that counts, or the end of it.
    """

    __slots__ = ("size", "count", "last", "_is_entry", "_line")

    def __init__(self, is_entry: Callable[[bytes], bool] | None = None) -> None:
        self._is_entry = is_entry or _is_entry
        self.size = 0
        self.count = 0
        self.last = b""
        # The last line as far as it has come, or the end of it: enough to tell whether it counts.
        self._line = b""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        self.size += len(data)
        *complete, rest = (self._line + data).split(b"\n")
        self._count(complete)
        if len(rest) > _KEPT:
            rest = (b"x" if rest.strip() else b"") + rest[-_KEPT:]
        self._line = rest

    def finish(self) -> None:
        """Takes the end, which may come without a line end."""
        self._count([self._line])
        self._line = b""

    def _count(self, lines: list[bytes]) -> None:
        found = list(filter(self._is_entry, lines))
        self.count += len(found)
        if found:
            self.last = found[-1][-_KEPT:]


class Content:
    """Counts a file, hashes it with SHA-256 if asked to, and looks for a text also across the borders of chunks."""

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
        """Takes the next bytes."""
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
        """The hexadecimal SHA-256, "" when it was not asked for."""
        return "" if self._hash is None else self._hash.hexdigest()


def _is_entry(line: bytes) -> bool:
    name = line.strip()
    # Some servers put the directory before each name.
    return bool(name) and name.rpartition(b"/")[2] not in (b".", b"..")
