"""TFTP servers on loopback that follow a script, and packets made without the library's own code."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self, TypeAlias

from tests.support.waiting import LONG, until

Script: TypeAlias = Callable[["Session"], None]


def data(block: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HH", 3, block & 0xFFFF) + payload


def ack(block: int) -> bytes:
    return struct.pack("!HH", 4, block & 0xFFFF)


def error(code: int, message: bytes = b"") -> bytes:
    return struct.pack("!HH", 5, code) + message + b"\0"


def oack(**options: object) -> bytes:
    return pairs(*((name.encode(), str(value).encode()) for name, value in options.items()))


def pairs(*options: tuple[bytes, bytes]) -> bytes:
    return b"\0\6" + b"".join(name + b"\0" + value + b"\0" for name, value in options)


def blocks(content: bytes, size: int = 512) -> list[bytes]:
    """Returns the DATA packets of a file, the short last one included."""
    starts = range(0, len(content) + 1, size)
    return [data(number, content[start : start + size]) for number, start in enumerate(starts, 1)]


class Session:
    """One read request and the socket that answers it."""

    def __init__(self, server: Server, request: bytes, client: Any) -> None:
        self.server = server
        self.client = client
        self.socket = socket.socket(server.family, socket.SOCK_DGRAM)
        self.socket.bind((server.host, 0))
        words = request[2:].split(b"\0")[:-1]
        self.opcode = int.from_bytes(request[:2], "big")
        self.filename, self.mode = words[0], words[1]
        self.options = dict(zip(words[2::2], words[3::2], strict=True))

    def send(self, *packets: bytes) -> None:
        """Sends packets from the transfer port."""
        for packet in packets:
            self.socket.sendto(packet, self.client)

    def receive(self, patience: float = LONG) -> bytes | None:
        """Returns the client's next packet; None when none comes in time, or the server is closed."""
        return self.server.receive(self.socket, patience)

    def deliver(self, content: bytes, size: int = 512) -> None:
        """Sends a file block by block, as a correct server does."""
        for number, packet in enumerate(blocks(content, size), 1):
            self.send(packet)
            while (answer := self.receive(1)) != ack(number):
                if self.server.closed or (answer is not None and answer.startswith(b"\0\5")):
                    return
                if answer is None:
                    self.send(packet)

    def stranger(self, host: str = "") -> socket.socket:
        """Opens a further socket, on this server's host or on another one."""
        sock = socket.socket(self.server.family, socket.SOCK_DGRAM)
        sock.bind((host or self.server.host, 0))
        self.server.sockets.append(sock)
        return sock


class Server:
    """A server on port 0 that plays its script with each request; the first few may be lost.

    heard is everything that came to a transfer port, requests everything that came to the server's port.
    """

    def __init__(self, script: Script, host: str = "127.0.0.1", *, lose: int = 0) -> None:
        self.host = host
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.heard: list[bytes] = []
        self.requests: list[bytes] = []
        self.sockets: list[socket.socket] = []
        self.closed = False
        self.failures: list[BaseException] = []
        self._script = script
        self._lose = lose
        self._socket = socket.socket(self.family, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self.sockets.append(self._socket)
        self.port: int = self._socket.getsockname()[1]
        self._stop, self._stopped = socket.socketpair()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every thread, closes every socket, and raises what a script failed with."""
        self.closed = True
        self._stop.close()
        for thread in self._threads:
            thread.join(LONG)
            assert not thread.is_alive()
        for sock in (*self.sockets, self._stopped):
            sock.close()
        for failure in self.failures:
            raise failure

    def receive(self, sock: socket.socket, patience: float = LONG) -> bytes | None:
        """Returns the next packet to a transfer port; None when none comes in time, or the server is closed."""
        limit = time.monotonic() + patience
        while True:
            ready, _, _ = select.select([sock, self._stopped], [], [], max(0.0, limit - time.monotonic()))
            if sock in ready:
                # The client has closed its port: the next look tells whether something else is there.
                with suppress(ConnectionRefusedError):
                    packet = sock.recv(65536)
                    self.heard.append(packet)
                    return packet
            elif self._stopped in ready or not ready:
                return None

    def wait_for(self, packet: bytes) -> None:
        """Waits until a packet has come to a transfer port."""
        until(lambda: packet in self.heard)

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._socket, self._stopped], [], [])
            if self._stopped in ready:
                return
            request, client = self._socket.recvfrom(65536)
            self.requests.append(request)
            if len(self.requests) <= self._lose:
                continue
            session = Session(self, request, client)
            self.sockets.append(session.socket)
            self._threads.append(threading.Thread(target=self._play, args=(session,), daemon=True))
            self._threads[-1].start()

    def _play(self, session: Session) -> None:
        try:
            self._script(session)
            while session.receive(LONG) is not None:
                pass
        except BaseException as failure:
            self.failures.append(failure)


def sending(*packets: bytes) -> Script:
    """Sends packets, each after the first one when the client has answered."""

    def script(session: Session) -> None:
        for number, packet in enumerate(packets):
            if number and session.receive() is None:
                return
            session.send(packet)

    return script


def at_once(packets: Sequence[bytes]) -> Script:
    """Sends packets without waiting."""
    return lambda session: session.send(*packets)


def delivering(content: bytes, size: int = 512) -> Script:
    """Sends a file without options."""
    return lambda session: session.deliver(content, size)


def dead_port(host: str = "127.0.0.1") -> int:
    """Returns a UDP port on which nobody listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def taking(kept: dict[bytes, bytes], *, spoil: Callable[[bytes], bytes] = bytes, lose: int = 0) -> Script:
    """Takes and delivers files as a correct server without options does, but loses the first DATA packets."""

    def script(session: Session) -> None:
        if session.opcode == 1:
            session.deliver(spoil(kept[session.filename]))
            return
        content, number, lost = b"", 0, 0
        session.send(ack(0))
        while (packet := session.receive()) is not None and packet.startswith(b"\0\3"):
            if lost < lose:
                lost += 1
                continue
            if packet[2:4] == struct.pack("!H", (number + 1) & 0xFFFF):
                number += 1
                content += packet[4:]
            last = len(packet) < 516
            if last:
                kept[session.filename] = content
            session.send(ack(number))
            if last:
                return

    return script
