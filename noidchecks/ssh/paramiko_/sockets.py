"""The sockets that paramiko gets: bounded, and another thread can end what waits on them."""

from __future__ import annotations

import socket
from time import monotonic, sleep

from .bounds import check_packet

_RETRY = 0.02


class Shuttable:
    """A socket for one thread to wait on and another to shut; end() is for when no thread uses it any more."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def recv(self, limit: int) -> bytes:
        return self._socket.recv(limit)

    def send(self, data: bytes) -> int:
        return self._socket.send(data)

    def close(self) -> None:
        """What paramiko calls; the descriptor stays until no thread can use it any more."""
        self.shut()

    def shut(self) -> None:
        """Ends the connection for every thread that waits on it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def end(self) -> None:
        """Closes the descriptor."""
        self.shut()
        self._socket.close()


class Resumed(Shuttable):
    """A socket behind the identification strings: repeats what came behind the server's, and drops the client's."""

    def __init__(self, sock: socket.socket, seen: bytes) -> None:
        super().__init__(sock)
        self._seen = seen
        self._greeted = False
        # paramiko looks at this attribute of sockets.
        self._closed = False

    def settimeout(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def recv(self, limit: int) -> bytes:
        """Receives; Excess when paramiko wants the rest of a packet that is too long to be one."""
        check_packet(limit)
        if self._seen:
            data, self._seen = self._seen[:limit], self._seen[limit:]
            return data
        return super().recv(limit)

    def send(self, data: bytes) -> int:
        if not self._greeted:
            self._greeted = True
            return len(data)
        return super().send(data)

    def end(self) -> None:
        """Closes the descriptor."""
        self._closed = True
        super().end()


class AgentSocket(Shuttable):
    """A connection to the agent that listens on a path; patience, in seconds, is for each of its answers."""

    def __init__(self, patience: float | None) -> None:
        super().__init__(socket.socket(socket.AF_UNIX))
        self._patience = patience
        self._is_shut = False
        self._socket.settimeout(patience)

    def connect(self, path: str) -> None:
        """Connects; OSError, also when the agent takes no more connections."""
        limit = None if self._patience is None else monotonic() + self._patience
        # A blocking connect would wait for an agent with a full backlog, and shut() does not end that.
        self._socket.setblocking(False)
        while True:
            try:
                self._socket.connect(path)
                break
            except BlockingIOError:
                if self._is_shut or (limit is not None and monotonic() > limit):
                    raise
                sleep(_RETRY)
        self._socket.settimeout(self._patience)
        if self._is_shut:
            super().shut()

    def shut(self) -> None:
        """Ends the connection, or keeps it from being made."""
        self._is_shut = True
        super().shut()
