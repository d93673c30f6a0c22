"""A scripted TCP server: each connection gets the same steps, on a port that the kernel chose."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tests.support.waiting import LONG, until

RESET = "reset"
"""Closes with RST."""
HOLD = "hold"
"""Stays silent until the client closes."""
LISTEN = "listen"
"""Waits for one line of the client."""
PACKET = "packet"
"""Waits for a packet of the client behind its line."""

Step = bytes | float | str


class Server:
    """Where the fake answers, and all that its clients said."""

    def __init__(self, host: str, steps: Sequence[Step]) -> None:
        self.host = host
        self.received: list[bytes] = []
        self._steps = steps
        family = socket.AF_UNIX if host.startswith("/") else socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.bind(host if family == socket.AF_UNIX else (host, 0))
        self._socket.listen(128)
        self.port = 22 if family == socket.AF_UNIX else int(self._socket.getsockname()[1])
        self._stop, self._stopped = socket.socketpair()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """Ends every thread and closes every socket."""
        self._stop.close()
        for thread in self._threads:
            thread.join(LONG)
            assert not thread.is_alive()
        self._socket.close()
        self._stopped.close()

    def heard(self) -> bytes:
        """Returns what the last client said, as soon as it has closed."""
        until(lambda: self.received)
        return self.received[-1]

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)  # type: ignore[arg-type]  # a callable, of any form
        self._threads.append(thread)
        thread.start()

    def _readable(self, sock: socket.socket) -> bool:
        """Waits until the socket is readable (True) or the fake is closed (False)."""
        ready, _, _ = select.select([sock, self._stopped], [], [])
        return self._stopped not in ready

    def _accept(self) -> None:
        while self._readable(self._socket):
            connection, _ = self._socket.accept()
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        heard = b""
        with connection, suppress(OSError):
            connection.settimeout(LONG)
            for step in self._steps:
                if isinstance(step, bytes):
                    connection.sendall(step)
                elif isinstance(step, float):
                    select.select([self._stopped], [], [], step)
                elif step == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                else:
                    while self._readable(connection) and (data := connection.recv(4096)):
                        heard += data
                        if step == LISTEN and b"\n" in heard:
                            break
                        if step == PACKET and len(heard.partition(b"\n")[2]) > 5:
                            break
            # Only then, because closing with unread bytes would be a reset.
            connection.shutdown(socket.SHUT_WR)
            while self._readable(connection) and (data := connection.recv(4096)):
                heard += data
        self.received.append(heard)


@contextmanager
def serve(*steps: Step, host: str = "127.0.0.1") -> Iterator[Server]:
    """Runs a fake that plays the steps (bytes to send, seconds, RESET, HOLD, LISTEN, PACKET) and then closes."""
    server = Server(host, steps)
    try:
        yield server
    finally:
        server.close()


MODERN = {
    "kex_algorithms": "sntrup761x25519-sha512,curve25519-sha256,kex-strict-s-v00@openssh.com",
    "server_host_key_algorithms": "rsa-sha2-512,ssh-ed25519",
    "encryption_algorithms_client_to_server": "chacha20-poly1305@openssh.com,aes256-ctr",
    "encryption_algorithms_server_to_client": "chacha20-poly1305@openssh.com,aes256-ctr",
    "mac_algorithms_client_to_server": "hmac-sha2-256",
    "mac_algorithms_server_to_client": "hmac-sha2-256",
    "compression_algorithms_client_to_server": "none",
    "compression_algorithms_server_to_client": "none",
    "languages_client_to_server": "",
    "languages_server_to_client": "",
}
"""What a healthy server offers, the lists in the order of RFC 4253 section 7.1."""


def kexinit(**lists: str) -> bytes:
    """Returns the packet with a KEXINIT of MODERN, some lists replaced."""
    names = [text.encode() for text in (MODERN | lists).values()]
    return packet(b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(one)) + one for one in names) + bytes(5))


def packet(payload: bytes) -> bytes:
    """Returns the payload as a packet without encryption and MAC, padded as RFC 4253 section 6 asks."""
    padding = 4 + -(9 + len(payload)) % 8
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def refused_port(host: str = "127.0.0.1") -> int:
    """Returns a port that nobody listens on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])
