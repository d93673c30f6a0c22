"""Sockets for paramiko, which limit the length of packets and which another thread can shut down."""

from __future__ import annotations

import socket
from time import monotonic, sleep

from .bounds import check_packet

_RETRY = 0.02


class Shuttable:
    """A socket that one thread waits on and another one may shut down; call end() when no thread uses it any more."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def recv(self, limit: int) -> bytes:
        return self._socket.recv(limit)

    def send(self, data: bytes) -> int:
        return self._socket.send(data)

    def close(self) -> None:
        """Only shuts down the connection, because paramiko calls it while another thread may use the descriptor."""
        self.shut()

    def shut(self) -> None:
        """Shuts down the connection, which wakes up every thread that waits on it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def end(self) -> None:
        """Closes the descriptor."""
        self.shut()
        self._socket.close()


class Resumed(Shuttable):
    """A socket after the identification strings: first returns the bytes after the server's, drops the client's."""

    def __init__(self, sock: socket.socket, seen: bytes) -> None:
        super().__init__(sock)
        self._seen = seen
        self._greeted = False
        # paramiko reads this attribute of sockets.
        self._closed = False

    def settimeout(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def recv(self, limit: int) -> bytes:
        """Receives; raises Excess when paramiko requests the rest of a packet that is too long."""
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
    """A connection to the agent; patience is the seconds to wait for the connection and for each answer."""

    def __init__(self, patience: float | None) -> None:
        super().__init__(socket.socket(socket.AF_UNIX))
        self._patience = patience
        self._is_shut = False
        self._socket.settimeout(patience)

    def connect(self, path: str) -> None:
        """Connects; raises OSError, BlockingIOError when the agent accepts no connection within patience."""
        limit = None if self._patience is None else monotonic() + self._patience
        # A blocking connect() would wait while the agent's backlog is full, and shut() could not interrupt it.
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
        """Shuts down the connection, or interrupts connect()."""
        self._is_shut = True
        super().shut()
