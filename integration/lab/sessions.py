"""FTP control sessions that stay open while something happens, and what becomes of their next words."""

from __future__ import annotations

import ftplib
import hashlib
import io
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self

from integration.clients import Data
from integration.lab.namespace import Namespace

PATIENCE = 20.0
_BLOCK = 1 << 16
_PAUSE = 0.01
"""Seconds between two blocks of a transfer that waits for its end."""
_REST = 16 * _BLOCK


class FtpSession:
    """An anonymous control session; each fetch makes a data connection of one kind.

    `source` is the client's address, else the kernel chooses; `data_port` the port that PORT or EPRT announces, else
    any.
    """

    def __init__(
        self,
        client: Namespace,
        host: str,
        data: Data = Data.EPSV,
        *,
        port: int = 21,
        source: str = "",
        data_port: int = 0,
        patience: float = PATIENCE,
    ) -> None:
        self.client = client
        self.ftp = _Ftp(timeout=patience)
        self.ftp.data, self.ftp.data_port = data, data_port
        self.ftp.set_pasv(data.is_passive)
        with client.entered():
            self.ftp.connect(host, port, source_address=(source, 0) if source else None)
            self.ftp.login()

    def fetch(self) -> str:
        """Fetches the name of the backend; OSError, EOFError or ftplib.Error when that fails."""
        content = io.BytesIO()
        with self.client.entered():
            self.ftp.retrbinary("RETR name", content.write)
        return content.getvalue().decode()

    def outcome(self) -> str:
        """Fetches, and says how that went: a backend's name, "reset", "timeout", or the server's refusal."""
        return _outcome(self.fetch)

    def is_alive(self) -> bool:
        """Whether a file still comes."""
        try:
            return self.fetch() != ""
        except (OSError, EOFError, ftplib.Error):
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.ftp.close()


class Transfer:
    """A file on its way over a session: it moves slowly, and never to its end before `finish`.

    It is put under a name, or else `source` is what must come of the file of the same name.
    """

    def __init__(self, session: FtpSession, source: Path, *, put: str = "") -> None:
        self._session, self._source, self._put = session, source, put
        with session.client.entered():
            session.ftp.voidcmd("TYPE I")
            self._data = session.ftp.transfercmd(f"STOR {put}" if put else f"RETR {source.name}")
        self._checksum = hashlib.sha256()
        self._error: Exception | None = None
        self._is_told = threading.Event()
        # Daemon: a test that has failed tells it nothing.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> str:
        """Moves the rest, and returns its checksum; OSError, EOFError or ftplib.Error when it was cut."""
        self._is_told.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._checksum.hexdigest()

    def outcome(self) -> str:
        """Moves the rest, and says how that went: "done", "reset", "timeout", or the server's refusal."""
        return _outcome(lambda: "done" if self.finish() else "")

    def _run(self) -> None:
        try:
            with self._data, self._source.open("rb") as file:
                self._move(file)
            self._session.ftp.voidresp()
        except (OSError, EOFError, ftplib.Error) as error:
            self._error = error

    def _move(self, file: BinaryIO) -> None:
        left = self._source.stat().st_size
        while left:
            if left <= _REST:
                self._is_told.wait()
            block = file.read(_BLOCK) if self._put else self._data.recv(_BLOCK)
            if not block:
                raise EOFError("cut in the middle")
            if self._put:
                self._data.sendall(block)
            self._checksum.update(block)
            left -= len(block)
            if not self._is_told.is_set():
                self._is_told.wait(_PAUSE)


def _outcome(act: Callable[[], str]) -> str:
    try:
        return act()
    except TimeoutError:
        return "timeout"
    except (ConnectionError, EOFError):
        return "reset"
    except ftplib.Error as error:
        return str(error)


class _Ftp(ftplib.FTP):
    """ftplib with the kind of data connection that is asked for, instead of the one that it would pick."""

    data = Data.EPSV
    data_port = 0

    def makepasv(self) -> tuple[str, int]:
        assert self.sock is not None
        if self.data is Data.EPSV:
            return ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())
        return ftplib.parse227(self.sendcmd("PASV"))

    def makeport(self) -> socket.socket:
        assert self.sock is not None
        host = self.sock.getsockname()[0]
        listener = socket.create_server((host, self.data_port), family=self.af)
        listener.settimeout(self.timeout)
        announce = self.sendport if self.data is Data.PORT else self.sendeprt
        announce(host, listener.getsockname()[1])
        return listener
