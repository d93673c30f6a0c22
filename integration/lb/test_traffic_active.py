"""Active FTP of a client that names the same port again while the kernel still remembers its last connection there."""

from __future__ import annotations

import ftplib
from collections.abc import Iterator

import pytest

from integration.clients import Data
from integration.lab import Lab, servers, vip
from integration.lab.sessions import FtpSession
from integration.lb.balance import Balance
from integration.lb.farms import farm

pytestmark = pytest.mark.root

PORT = 40001


@pytest.fixture
def from_port_20(lab: Lab) -> Iterator[int]:
    """A server on each backend that makes its data connections from the same port, as most do."""
    for backend in lab.backends:
        backend.add("other", servers.vsftpd(backend.place("other"), backend.passive_ports, port=2121)).wait()
    yield 2121
    for backend in lab.backends:
        backend.remove("other")


def fetch(lab: Lab, version: int) -> str:
    with FtpSession(lab.client, vip(version), Data.EPRT, data_port=PORT) as session:
        return session.fetch()


@pytest.mark.parametrize("scheduler", ["round-robin", "source-hash"])
def test_the_same_port_again(
    lab: Lab, balance: Balance, from_port_20: int, mode: str, version: int, scheduler: str
) -> None:
    """The limit in docs/farms.md: in mode snat it must not be another backend that connects to it."""
    balance(farm(lab, "ftp", mode=mode, scheduler=scheduler, every={"port": from_port_20}))
    first = fetch(lab, version)
    if scheduler == "source-hash":
        assert [fetch(lab, version) for _ in range(3)] == [first] * 3
    elif mode == "dnat":
        assert sorted([first, fetch(lab, version), fetch(lab, version)]) == ["b1", "b2", "b3"]
    else:
        with pytest.raises(ftplib.error_temp, match="425"):
            fetch(lab, version)
