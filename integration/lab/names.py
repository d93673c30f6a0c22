"""Tiny servers that say where a connection ended, and the clients that ask them, by the hundred."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from integration.lab.namespace import Namespace

PATIENCE = 20.0
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_EVERYWHERE = {4: "0.0.0.0", 6: "::"}


@contextmanager
def name_servers(namespaces: Iterable[Namespace], *ports: int) -> Iterator[None]:
    """Answers on ports in namespaces: with the name of the namespace and who asks, then with what it is sent.

    On UDP it only tells its name.
    """
    with ExitStack() as opened, selectors.DefaultSelector() as selector:
        for namespace in namespaces:
            for version, family in _FAMILY.items():
                for port in ports:
                    listener, datagrams = _listen(namespace, family, (_EVERYWHERE[version], port))
                    opened.callback(listener.close)
                    opened.callback(datagrams.close)
                    selector.register(listener, selectors.EVENT_READ, ("listener", namespace.name.encode()))
                    selector.register(datagrams, selectors.EVENT_READ, ("datagrams", namespace.name.encode()))
        stop, stopped = os.pipe()
        selector.register(stop, selectors.EVENT_READ, ("stop", b""))
        thread = threading.Thread(target=_serve, args=(selector,))
        thread.start()
        try:
            yield
        finally:
            os.write(stopped, b".")
            thread.join()
            os.close(stopped)
            os.close(stop)


class Asked:
    """A connection to a name server; `backend` is the name that it got, or says how it failed.

    `peer` is the address that the server saw.
    """

    def __init__(
        self, client: Namespace, host: str, port: int, source: str | None = None, *, patience: float = PATIENCE
    ) -> None:
        family = _FAMILY[6 if ":" in host else 4]
        with client.entered():
            self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(patience)
        self.backend, _, self.peer = self._connect(host, port, source).partition(" ")

    def is_alive(self) -> bool:
        """Whether a word still comes back."""
        try:
            self.socket.sendall(b"word\n")
            return self.socket.recv(5, socket.MSG_WAITALL) == b"word\n"
        except OSError:
            return False

    def close(self) -> None:
        """Hangs up, without a TIME_WAIT, of which hundreds would stall later connections; twice is fine."""
        if self.socket.fileno() < 0:
            return
        # SO_LINGER with no time: the kernel sends a reset.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _connect(self, host: str, port: int, source: str | None) -> str:
        try:
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.connect((host, port))
            name = b""
            while not name.endswith(b"\n"):
                if not (more := self.socket.recv(64)):
                    return "closed"
                name += more
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "timeout"
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, "error")
        return name.decode().strip()

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def ask(client: Namespace, host: str, port: int, source: str | None = None) -> str:
    """Makes one connection and returns who answered, or "refused", "reset", "timeout", "closed", or as in errno(3)."""
    with Asked(client, host, port, source) as connection:
        return connection.backend


def ask_often(client: Namespace, host: str, port: int, times: int) -> Counter[str]:
    """Makes connections one after the other and counts the answers."""
    return Counter(ask(client, host, port) for _ in range(times))


def ask_udp(client: Namespace, host: str, port: int, patience: float = PATIENCE) -> str:
    """Sends one datagram and returns who answered, or "refused", "timeout"."""
    with client.entered():
        connection = socket.socket(_FAMILY[6 if ":" in host else 4], socket.SOCK_DGRAM)
    with connection:
        connection.settimeout(patience)
        # Connected, or an ICMP error would not come through.
        connection.connect((host, port))
        try:
            connection.send(b"?")
            return connection.recv(64).decode().strip()
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "timeout"


def _listen(namespace: Namespace, family: int, address: tuple[str, int]) -> tuple[socket.socket, socket.socket]:
    with namespace.entered():
        listener = socket.socket(family, socket.SOCK_STREAM)
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
    for opened in (listener, datagrams):
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.setblocking(False)
    listener.listen(1024)
    return listener, datagrams


def _serve(selector: selectors.BaseSelector) -> None:
    connections: set[socket.socket] = set()
    while True:
        for key, _ in selector.select():
            kind, name = key.data
            if kind == "stop":
                for connection in connections:
                    connection.close()
                return
            assert isinstance(key.fileobj, socket.socket)
            if kind == "listener":
                # The client may be gone already.
                with suppress(OSError):
                    connection, peer = key.fileobj.accept()
                    connections.add(connection)
                    selector.register(connection, selectors.EVENT_READ, ("connection", name))
                    connection.sendall(name + f" {peer[0]}\n".encode())
            elif kind == "datagrams":
                with suppress(OSError):
                    _, sender = key.fileobj.recvfrom(64)
                    key.fileobj.sendto(name + b"\n", sender)
            elif not _echo(key.fileobj):
                selector.unregister(key.fileobj)
                connections.discard(key.fileobj)
                key.fileobj.close()


def _echo(connection: socket.socket) -> bool:
    try:
        data = connection.recv(4096)
        connection.sendall(data)
    except OSError:
        return False
    return bool(data)
