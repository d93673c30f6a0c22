"""Visits to farms: with a whole program, or with a control session that stays open."""

from __future__ import annotations

import ftplib
import io
from pathlib import Path
from typing import Self
from uuid import uuid4

import pytest

from integration.clients import Data, Errand, FtpClient, Target, sha256
from integration.lab import Lab
from integration.lab.namespace import Namespace
from integration.lb.balance import forget_ended

PATIENCE = 5.0
ROUTES = [
    pytest.param(version, data, id=f"ipv{version}-{data.name}")
    for version in (4, 6)
    for data in Data
    # PASV and PORT can only say addresses of IPv4.
    if version == 4 or data.is_extended
]


def visit_ftp(
    lab: Lab,
    client: FtpClient,
    host: str,
    data: Data,
    *,
    file: str = "big",
    port: int = 21,
    ca: Path | None = None,
) -> str:
    """Lists, gets and puts on one control connection, checks what came of it, and returns the backend's name."""
    forget_ended(lab.balancer)
    upload = f"upload/{uuid4()}"
    source = lab.backends[0].files / file
    target = Target(host=host, port=port, data=data, ca=ca)
    visit = client(lab.client, target, Errand(get=("name", file), put={upload: source}))
    assert visit.code == 0, visit.output
    assert "small" in visit.listing, visit.output
    # Else the client has helped itself with another kind of data connection.
    assert {one.name for one in Data if one.name in visit.commands} == {data.name}, visit.output
    wanted = sha256(source)
    assert visit.sha256.get(file) == wanted, visit.output
    uploaded = next(backend for backend in lab.backends if backend.name == visit.backend).files / upload
    assert uploaded.exists(), visit.output
    assert sha256(uploaded) == wanted
    uploaded.unlink()
    return visit.backend


class FtpSession:
    """An anonymous control session that stays open; each request makes a data connection of its own."""

    def __init__(self, client: Namespace, host: str, *, passive: bool = True, port: int = 21) -> None:
        self._client = client
        self._ftp = ftplib.FTP(timeout=PATIENCE)
        with client.entered():
            self._ftp.connect(host, port)
            self._ftp.login()
        self._ftp.set_pasv(passive)

    def backend(self) -> str:
        """Fetches the name of the backend; OSError, EOFError or ftplib.Error when the session has been cut."""
        content = io.BytesIO()
        with self._client.entered():
            self._ftp.retrbinary("RETR name", content.write)
        return content.getvalue().decode()

    def is_alive(self) -> bool:
        """Whether a request still is answered."""
        try:
            return self.backend() != ""
        except (OSError, EOFError, ftplib.Error):
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ftp.close()
