"""The demonstration in the lab: `noidlb guard` balances, and a client fetches through the VIP."""

from __future__ import annotations

import io
import logging
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import paramiko
from noidlb.farm_status import FarmStatus, from_document
from noidlb.service.client import ask
from tftpy import TftpClient

from integration.clients import Data
from integration.demo.backends import PORTS, BackendProcess, farms, host_key
from integration.demo.script import Fetched
from integration.lab import Lab, vip
from integration.lab.sessions import FtpSession
from integration.lb_service.serving import Serving

_PATIENCE = 20


class InLab:
    """A lab whose backends are those of the demonstration, a guardian in its balancer, and its client."""

    def __init__(self, lab: Lab) -> None:
        # tftpy and paramiko log what `fetch` returns as a problem.
        logging.disable()
        key = host_key(lab.folder)
        self.backends = [BackendProcess(one, key) for one in lab.backends]
        self._client = lab.client
        self._serving = Serving(lab, Path(tempfile.mkdtemp(dir=lab.folder)), farms(self.backends))
        self._fetchers: dict[str, Callable[[], str]] = {
            "FTP passive": lambda: self._ftp(Data.PASV),
            "FTP active": lambda: self._ftp(Data.PORT),
            "TFTP": self._tftp,
            "SFTP": self._sftp,
        }

    def status(self) -> tuple[FarmStatus, ...]:
        answer = ask(self._serving.state / "control", {"do": "status"})
        if answer is not None:
            return from_document(answer["status"])
        if self._serving.process.poll() is not None:
            raise RuntimeError(f"the guardian has ended: {' '.join(event.kind for event in self._serving.events)}")
        return ()

    def fetch(self) -> Mapping[str, Fetched]:
        return {way: _fetched(fetch) for way, fetch in self._fetchers.items()}

    def _ftp(self, data: Data) -> str:
        with FtpSession(self._client, vip(4), data) as session:
            return session.fetch()

    def _tftp(self) -> str:
        content = io.BytesIO()
        with self._client.entered():
            TftpClient(vip(4), PORTS["tftp"]).download("name", content, timeout=_PATIENCE)
        return content.getvalue().decode()

    def _sftp(self) -> str:
        with self._client.entered():
            transport = paramiko.Transport(socket.create_connection((vip(4), PORTS["sftp"]), _PATIENCE))
        with transport:
            transport.connect(username="demo", password="demo")
            session = paramiko.SFTPClient.from_transport(transport)
            assert session is not None, "the transport is open"
            with session.open("name") as file:
                return str(file.read().decode())


def _fetched(fetch: Callable[[], str]) -> Fetched:
    try:
        return Fetched(fetch())
    except Exception as error:
        return Fetched(problem=f"{type(error).__name__}: {error}")
