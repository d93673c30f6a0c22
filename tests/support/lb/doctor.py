"""What doctor looks at."""

from __future__ import annotations

from ipaddress import ip_address

from noidlb.doctor.firewall import ways_of
from noidlb.doctor.probe_packets import Way
from noidlb.farm import Farm, Protocol

from tests.support.lb.farms import farm

V4 = (ip_address("10.10.0.100"),)

FTP = farm("ftp", 2, vip=V4)

TFTP = farm("tftp", 2, vip=V4, protocol=Protocol.TFTP)


def ways(*farms: Farm, clients: tuple[str | None, ...] = ("eth0",), local: bool = False) -> list[list[Way]]:
    backends = {address: "eth1" for one in farms for backend in one.backends for address in backend.address}
    sides = {vip: clients for one in farms for vip in one.vip}
    return ways_of(farms, backends, dict(sides), frozenset(backends) if local else frozenset())
