"""The kernel's tables with owners, played: a table is there as long as the socket that made it."""

from __future__ import annotations

import errno
import os
import socket


class PlayedNetfilter:
    """Takes the place of the functions of noidlb.nft.nfnetlink; refusal is the error number that every change meets."""

    def __init__(self) -> None:
        self.refusal = 0
        self.may_look = True
        self.taken: set[int] = set()
        self._numbers: dict[socket.socket, int] = {}
        self._owner: socket.socket | None = None

    def opened(self, number: int = 0, *, groups: int = 0) -> socket.socket:
        if groups:
            # Nobody may listen here: it would be to the machine's own changes.
            raise _error(errno.EPERM)
        if number in self.taken:
            raise _error(errno.EADDRINUSE)
        made = socket.socket(socket.AF_UNIX)
        self._numbers[made] = number
        return made

    def ask(self, netlink: socket.socket, kind: int, body: bytes = b"", *, family: int = 0) -> dict[int, bytes]:
        if not self.may_look:
            raise _error(errno.EPERM)
        if self._owner is None or self._owner.fileno() < 0:
            raise _error(errno.ENOENT)
        return {7: self._numbers[self._owner].to_bytes(4)}

    def create(self, netlink: socket.socket, kind: int, body: bytes, *, family: int) -> None:
        if self.refusal:
            raise _error(self.refusal)
        if self._owner is not None and self._owner.fileno() >= 0:
            raise _error(errno.EPERM)
        self._owner = netlink


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
