"""FTP over TLS, which no helper can read: passive with ranges of ports, active in mode dnat alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.certificates import Certificates
from integration.clients import Data, classic_ftp, curl_ftp, lftp
from integration.lab import Lab, Tls, servers, vip
from integration.lb.balance import Balance
from integration.lb.farms import Value, farm
from integration.lb.visits import visit_ftp

pytestmark = pytest.mark.root

PORT = 2021


@pytest.fixture
def ftps(lab: Lab, certificates: Certificates, version: int) -> Iterator[int]:
    """The port of a vsftpd on each backend that demands TLS everywhere, and that data connections resume the session.

    In IPv4 it announces the VIP, for clients that believe what the answer to PASV says.
    """
    tls = Tls(certificate=certificates.good, announce=vip(4) if version == 4 else None)
    for backend in lab.backends:
        server = servers.vsftpd(backend.place("ftps"), backend.passive_ports, port=PORT, tls=tls)
        backend.add("ftps", server).wait()
    yield PORT
    for backend in lab.backends:
        backend.remove("ftps")


def ranges(lab: Lab) -> dict[str, dict[str, Value]]:
    """Writes the setting of each backend that names its data ports."""
    return {backend.name: {"passive_ports": "{}-{}".format(*backend.passive_ports)} for backend in lab.backends}


PASSIVE = [
    pytest.param(version, data, id=f"ipv{version}-{data.name}")
    for version, data in ((4, Data.PASV), (4, Data.EPSV), (6, Data.EPSV))
]


@pytest.mark.parametrize(("version", "data"), PASSIVE)
def test_passive(
    lab: Lab, balance: Balance, certificates: Certificates, ftps: int, mode: str, version: int, data: Data
) -> None:
    balance(farm(lab, "ftp", mode=mode, ftps=["passive"], every={"port": ftps}, of=ranges(lab)))
    seen = [visit_ftp(lab, lftp, vip(version), data, ca=certificates.ca) for _ in range(3)]
    assert sorted(seen) == ["b1", "b2", "b3"]


@pytest.mark.parametrize(("version", "data"), PASSIVE)
def test_passive_with_curl(
    lab: Lab, balance: Balance, certificates: Certificates, ftps: int, version: int, data: Data
) -> None:
    balance(farm(lab, "ftp", ftps=["passive"], every={"port": ftps}, of=ranges(lab)))
    visit_ftp(lab, curl_ftp, vip(version), data, file="medium", ca=certificates.ca)


@pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
def test_active_in_dnat(lab: Lab, balance: Balance, certificates: Certificates, ftps: int, version: int) -> None:
    """Nothing tells the firewall that these connections belong to others, so that it has to be told."""
    lab.mode = "dnat"
    lab.balancer.nft('add rule inet firewall forwarded iifname "back*" tcp sport 20 accept')
    every: dict[str, Value] = {"port": ftps}
    balance(farm(lab, "ftp", mode="dnat", ftps=["passive", "active"], every=every, of=ranges(lab)))
    data = Data.PORT if version == 4 else Data.EPRT
    seen = [visit_ftp(lab, lftp, vip(version), data, ca=certificates.ca) for _ in range(3)]
    assert sorted(seen) == ["b1", "b2", "b3"]


def test_plain_ftp_works_with_ranges_too(lab: Lab, balance: Balance, mode: str, version: int) -> None:
    balance(farm(lab, "ftp", mode=mode, of=ranges(lab)))
    for data in Data:
        if version == 4 or data.is_extended:
            visit_ftp(lab, classic_ftp, vip(version), data, file="small")
