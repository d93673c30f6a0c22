"""Control sessions that stay open while something happens, and what becomes of their next words."""

from __future__ import annotations

import ftplib
import io
import socket
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
