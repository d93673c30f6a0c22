"""FTP control sessions that stay open while something happens, and what becomes of their next words."""

from __future__ import annotations

import ftplib
import io
import socket
from typing import Self

from integration.clients import Data
from integration.lab.namespace import Namespace

PATIENCE = 20.0


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
        self._client = client
        self.ftp = _Ftp(timeout=patience)
        self.ftp.data, self.ftp.data_port = data, data_port
        self.ftp.set_pasv(data.is_passive)
        with client.entered():
            self.ftp.connect(host, port, source_address=(source, 0) if source else None)
            self.ftp.login()

    def fetch(self) -> str:
        """Fetches the name of the backend; OSError, EOFError or ftplib.Error when that fails."""
        content = io.BytesIO()
        with self._client.entered():
            self.ftp.retrbinary("RETR name", content.write)
        return content.getvalue().decode()

    def outcome(self) -> str:
        """Fetches, and says how that went: a backend's name, "reset", "timeout", or the server's refusal."""
        try:
            return self.fetch()
        except TimeoutError:
            return "timeout"
        except (ConnectionError, EOFError):
            return "reset"
        except ftplib.Error as error:
            return str(error)

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
