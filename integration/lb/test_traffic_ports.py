"""Farms whose ports or addresses are not those of their backends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.clients import Data, Errand, Target, classic_ftp, curl_tftp, sftp
from integration.lab import CLIENT, Backend, Lab, servers, vip
from integration.lab.names import Asked
from integration.lb.balance import Balance
from integration.lb.farms import farm
from integration.lb.visits import ROUTES, visit_ftp

pytestmark = pytest.mark.root

SOURCE = {4: "10.20.1.77", 6: "fd00:20:1::77"}
"""An address of the balancer that it would not take by itself."""


@pytest.fixture
def other_port(lab: Lab) -> Iterator[int]:
    """A second FTP server on each backend."""
    for backend in lab.backends:
        place = backend.place("other")
        backend.add("other", servers.vsftpd(place, backend.passive_ports, port=2121)).wait()
    yield 2121
    for backend in lab.backends:
        backend.remove("other")


@pytest.fixture
def first(lab: Lab) -> Iterator[Backend]:
    """A backend to which the balancer has a second address on the way."""
    backend = lab.backends[0]
    device = f"dev {backend.link.interface}"
    lab.balancer.ip(f"addr add {SOURCE[4]}/24 {device}", f"addr add {SOURCE[6]}/64 {device} preferred_lft 0")
    yield backend
    lab.balancer.ip(f"addr del {SOURCE[4]}/24 {device}", f"addr del {SOURCE[6]}/64 {device}")


@pytest.mark.parametrize(("version", "data"), ROUTES)
def test_ftp_backends_on_another_port(
    lab: Lab, balance: Balance, other_port: int, mode: str, version: int, data: Data
) -> None:
    balance(farm(lab, "ftp", mode=mode, every={"port": other_port}))
    seen = [visit_ftp(lab, classic_ftp, vip(version), data, file="small") for _ in range(3)]
    assert sorted(seen) == ["b1", "b2", "b3"]


@pytest.mark.parametrize(("version", "data"), ROUTES)
def test_ftp_farm_on_another_port(lab: Lab, balance: Balance, mode: str, version: int, data: Data) -> None:
    """The helper has to listen where the farm does."""
    balance(farm(lab, "ftp", mode=mode, ports=[2121], every={"port": 21}))
    seen = [visit_ftp(lab, classic_ftp, vip(version), data, file="small", port=2121) for _ in range(3)]
    assert sorted(seen) == ["b1", "b2", "b3"]


@pytest.mark.parametrize("data", [Data.EPSV, Data.EPRT])
def test_ftp_farm_of_two_ports(lab: Lab, balance: Balance, version: int, data: Data) -> None:
    balance(farm(lab, "ftp", ports=[21, 2121], every={"port": 21}))
    for port in (21, 2121):
        visit_ftp(lab, classic_ftp, vip(version), data, file="small", port=port)


def test_tftp_and_sftp_farms_on_other_ports(lab: Lab, balance: Balance, mode: str, tmp_path: Path) -> None:
    tftp = farm(lab, "tftp", name="tftp", mode=mode, ports=[6969], every={"port": 69})
    balance(tftp + farm(lab, "sftp", name="sftp", mode=mode, ports=[2222], every={"port": 22}))
    visit = curl_tftp(lab.client, Target(host=vip(4), port=6969), Errand(get=("name", "small")))
    assert visit.code == 0, visit.output
    assert visit.backend
    target = Target(host=vip(4), port=2222)
    keys = tmp_path / "known_hosts"
    visit = sftp(lab.client, target, Errand(get=("name", "small")), key=lab.keys.user, known_hosts=keys)
    assert visit.code == 0, visit.output
    assert visit.backend


def test_backends_see_the_balancer_in_snat(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", mode="snat", ports=[names]))
    for _ in lab.backends:
        with Asked(lab.client, vip(version), names) as connection:
            backend = next(backend for backend in lab.backends if backend.name == connection.backend)
            assert connection.peer == backend.link.balancer(version)


def test_backends_see_the_client_in_dnat(lab: Lab, balance: Balance, names: int, version: int) -> None:
    lab.mode = "dnat"
    balance(farm(lab, "tcp", mode="dnat", ports=[names]))
    with Asked(lab.client, vip(version), names) as connection:
        assert connection.peer == CLIENT[version]


def test_backends_see_a_fixed_source(lab: Lab, balance: Balance, first: Backend, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names], backends=[first], source=list(SOURCE.values())))
    with Asked(lab.client, vip(version), names) as connection:
        assert (connection.backend, connection.peer) == ("b1", SOURCE[version])


@pytest.mark.parametrize(("version", "data"), ROUTES)
def test_ftp_with_a_fixed_source(lab: Lab, balance: Balance, first: Backend, version: int, data: Data) -> None:
    balance(farm(lab, "ftp", backends=[first], source=list(SOURCE.values())))
    assert visit_ftp(lab, classic_ftp, vip(version), data, file="small") == "b1"
