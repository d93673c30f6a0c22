"""Control sessions that stay open while something happens, and what becomes of their next words."""

from __future__ import annotations

import ftplib
import io
import socket
import time
from collections.abc import Callable
from typing import Self

from integration.clients import Data
from integration.lab.namespace import Namespace

PATIENCE = 8.0


class _Chosen(ftplib.FTP):
    """ftplib with the kind of data connection that is asked for, instead of the one that it would pick."""

    data = Data.EPSV

    def makepasv(self) -> tuple[str, int]:
        assert self.sock is not None
        if self.data is Data.EPSV:
            return ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())
        return ftplib.parse227(self.sendcmd("PASV"))

    def makeport(self) -> socket.socket:
        assert self.sock is not None
        host = self.sock.getsockname()[0]
        listener = socket.create_server((host, 0), family=self.af)
        listener.settimeout(self.timeout)
        port = listener.getsockname()[1]
        if self.data is Data.PORT:
            self.sendport(host, port)
        else:
            self.sendeprt(host, port)
        return listener


class Session:
    """An anonymous control session; each fetch makes a data connection of one kind."""

    def __init__(self, client: Namespace, host: str, data: Data, *, source: str = "") -> None:
        self._client = client
        self.ftp = _Chosen(timeout=PATIENCE)
        self.ftp.data = data
        self.ftp.set_pasv(data.is_passive)
        with client.entered():
            self.ftp.connect(host, 21, source_address=(source, 0) if source else None)
            self.ftp.login()

    def fetch(self) -> str:
        """Fetches the name of the backend; OSError, EOFError or ftplib.Error when that fails."""
        content = io.BytesIO()
        with self._client.entered():
            self.ftp.retrbinary("RETR name", content.write)
        return content.getvalue().decode()

    def fate(self) -> str:
        """Fetches, and says how that went: a backend's name, "reset", "timeout" or another error's name."""
        try:
            return self.fetch()
        except TimeoutError:
            return "timeout"
        except (ConnectionError, EOFError):
            return "reset"
        except ftplib.Error as error:
            return str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.ftp.close()


def first_answer(client: Namespace, host: str, port: int, since: float, *, patience: float = 10.0) -> float:
    """Connects again and again until somebody greets (TCP); returns the seconds since then."""

    def greeted(one: socket.socket) -> bool:
        one.connect((host, port))
        one.settimeout(0.4)
        return one.recv(64) != b""

    return _first(client, host, socket.SOCK_STREAM, greeted, since, patience)


def first_block(client: Namespace, host: str, since: float, *, patience: float = 10.0) -> float:
    """Asks for a TFTP file again and again until its first block comes; returns the seconds since then."""

    def sent(one: socket.socket) -> bool:
        one.sendto(b"\0\1name\0octet\0", (host, 69))
        return one.recv(600)[:2] == b"\0\3"

    return _first(client, host, socket.SOCK_DGRAM, sent, since, patience)


def _first(
    client: Namespace,
    host: str,
    kind: socket.SocketKind,
    is_served: Callable[[socket.socket], bool],
    since: float,
    patience: float,
) -> float:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while time.monotonic() < since + patience:
        with client.entered():
            one = socket.socket(family, kind)
        with one:
            one.settimeout(0.15)
            try:
                if is_served(one):
                    return time.monotonic() - since
            except OSError:
                time.sleep(0.01)
    raise TimeoutError(f"{host} serves nobody for {patience} s")
