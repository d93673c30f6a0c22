"""Counts and hashes the received data of a file without storing it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class Hash(Protocol):
        """The part of a hashlib object that is used."""

        @property
        def name(self) -> str: ...
        def update(self, data: bytes, /) -> None: ...
        def hexdigest(self) -> str: ...


class Content:
    """Counts and hashes a file as it arrives; decodes netascii.

    received is the number of bytes on the wire, size that of the file.
    """

    __slots__ = ("received", "size", "_hashes", "_netascii", "_pending")

    def __init__(self, hashes: Iterable[Hash] = (), *, netascii: bool = False) -> None:
        self.received = 0
        self.size = 0
        self._hashes = tuple(hashes)
        self._netascii = netascii
        # A CR at the end of a block, whose meaning depends on the next byte.
        self._pending = b""

    def feed(self, data: bytes) -> None:
        """Adds the next received bytes."""
        self.received += len(data)
        self._add(self._decode(data) if self._netascii else data)

    def finish(self) -> None:
        """Marks the end of the file."""
        self._add(self._pending)
        self._pending = b""

    def digests(self) -> dict[str, str]:
        """Returns the hexadecimal digests by the names of their algorithms."""
        return {digest.name: digest.hexdigest() for digest in self._hashes}

    def agrees(self, announced: int) -> bool:
        """Tells whether the size that the server has announced (tsize) is that of the received file.

        In netascii a server may announce the size of the file, that of its encoded form, or 0 because it does not know
        the latter before encoding (atftpd).
        """
        return announced in ((0, self.size, self.received) if self._netascii else (self.size,))

    def _add(self, data: bytes) -> None:
        self.size += len(data)
        for digest in self._hashes:
            digest.update(data)

    def _decode(self, data: bytes) -> bytes:
        data = self._pending + data
        self._pending = b"\r" if data.endswith(b"\r") else b""
        if self._pending:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r\0", b"\r")
