from __future__ import annotations

import socket
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest
from noidlb.address import IPAddress
from noidlb.doctor.finding import Finding
from noidlb.doctor.listeners import Listener, examine_listeners, read_listeners
from noidlb.doctor.routes import Local, read_addresses
from noidlb.farm import Farm, Protocol

from tests.support.lb.farms import farm

HERE = [
    Local("lo", ip_interface("127.0.0.1/8")),
    Local("eth0", ip_interface("10.10.0.1/24")),
    Local("eth0", ip_interface("10.10.0.100/32")),
    Local("eth0", ip_interface("10.10.0.101/24"), is_secondary=True),
]


def source_of(address: IPAddress) -> str | None:
    return "10.10.0.1" if address in ip_interface("10.10.0.1/24").network else None


def sftp(vip: str) -> Farm:
    return farm("s", vip=(ip_address(vip),), protocol=Protocol.SFTP)


def look(one: Farm, listener: str, here: list[Local] | None = None, transport: str = "tcp") -> list[Finding]:
    address, _, port = listener.rpartition(" ")
    waiting = [Listener(transport, ip_address(address), int(port))]
    return list(examine_listeners((one,), waiting, HERE if here is None else here, source_of))


@pytest.mark.parametrize("listener", ["0.0.0.0 22", ":: 22", "10.10.0.1 22"])
def test_a_farm_on_the_own_address_hides_sshd(listener: str) -> None:
    (found,) = look(sftp("10.10.0.1"), listener)
    assert (found.level, found.subject) == ("fault", "farms.s.vip")
    assert "hides sshd" in found.text
    assert "reach it at 10.10.0.100" in found.cure


@pytest.mark.parametrize("vip", ["10.10.0.100", "10.10.0.101", "192.0.2.1"])
def test_an_address_for_the_farm_hides_nothing(vip: str) -> None:
    assert look(sftp(vip), "0.0.0.0 22") == []
    assert look(sftp(vip), ":: 22") == []
    assert look(sftp("10.10.0.1"), "127.0.0.1 22") == []
    assert look(sftp("10.10.0.1"), "0.0.0.0 2222") == []
    assert look(sftp("10.10.0.1"), "0.0.0.0 22", transport="udp") == []


def test_a_daemon_on_the_very_address_is_hidden_wherever_it_is() -> None:
    assert [one.level for one in look(sftp("10.10.0.100"), "10.10.0.100 22")] == ["fault"]


def test_the_only_address_is_the_own_one() -> None:
    here = [Local("lo", ip_interface("127.0.0.1/8")), Local("eth0", ip_interface("203.0.113.7/32"))]
    assert [one.level for one in look(sftp("203.0.113.7"), "0.0.0.0 22", here)] == ["fault"]


def test_other_daemons_are_warnings() -> None:
    (found,) = look(farm("f", vip=(ip_address("10.10.0.1"),)), "0.0.0.0 21")
    assert found.level == "warn"
    assert "hides what listens on tcp port 21" in found.text


def test_listening_sockets_are_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", 0))
        found = read_listeners(Path("/"))
        assert Listener("tcp", ip_address("127.0.0.1"), one.getsockname()[1]) in found
        assert Listener("udp", ip_address("127.0.0.2"), other.getsockname()[1]) in found
    if socket.has_dualstack_ipv6():
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as one:
            assert Listener("tcp", ip_address("::1"), one.getsockname()[1]) in read_listeners(Path("/"))


def test_addresses_are_read() -> None:
    output = b"""[{"ifname":"eth0","addr_info":[{"family":"inet","local":"10.0.0.1","prefixlen":24},
        {"family":"inet","local":"10.0.0.2","prefixlen":24,"secondary":true}]},{}]"""
    assert read_addresses(output) == [
        Local("eth0", ip_interface("10.0.0.1/24")),
        Local("eth0", ip_interface("10.0.0.2/24"), is_secondary=True),
    ]
    assert read_addresses(b"nonsense") == []
    assert read_addresses(b"{}") == []
