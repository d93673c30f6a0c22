"""Visits to farms with a whole FTP program."""

from __future__ import annotations

from filecmp import cmp
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from integration.clients import Data, Errand, FtpClient, Target, sha256
from integration.lab import Lab
from integration.lb.balance import forget_ended

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
    assert visit.sha256.get(file) == served(lab, file), visit.output
    uploaded = next(backend for backend in lab.backends if backend.name == visit.backend).files / upload
    assert uploaded.exists(), visit.output
    assert cmp(uploaded, source, shallow=False)
    uploaded.unlink()
    return visit.backend


@cache
def served(lab: Lab, file: str) -> str:
    """Returns the checksum of a file of the lab, made once: each visit compares with it."""
    return sha256(lab.backends[0].files / file)
