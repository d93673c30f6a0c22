"""The networks and the farms of the soak: a client, a balancer, and one network with the addresses of all backends."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.lab.namespace import Namespace
from integration.lab.topology import Link, route_back, vip, wire

FARMS, BACKENDS = 25, 20
"""Of the farms whose backends fail by turns."""
STEADY, SPARE, MORE = "steady", "spare", "more"
"""Three farms whose backends never fail: for clients, to be stopped and started, and to come and go with reloads."""
_LINK = Link(1)
PROBING = _LINK.balancer(4)
"""The address of the balancer that probes come from, and clients of farms in mode snat."""
_NETWORK = {4: "10.64.0.0/16", 6: "fd64::/64"}
# Numbers of farms in addresses, beyond those of the others.
_NUMBERS = {STEADY: 200, SPARE: 201, MORE: 202}
_STEADY_BACKENDS = 6
_FEW = 2

GUARD = {"interval": '"8s"', "fast-interval": '"1s"', "timeout": '"2s"', "rise": "2", "fall": "2"}
# No backend of theirs may be down because the machine is slow.
_PATIENT = GUARD | {"timeout": '"30s"', "fall": "3"}


class SoakLab:
    """The namespaces, and a folder for the guardian; needs root and the namespaces of integration/run."""

    def __init__(self, client: Namespace, balancer: Namespace, servers: Namespace, folder: Path) -> None:
        self.client, self.balancer, self.servers, self.folder = client, balancer, servers, folder


@contextmanager
def laboratory() -> Iterator[SoakLab]:
    """Makes the networks; everything is gone at the end."""
    client, balancer, servers = (Namespace(name) for name in ("client", "balancer", "servers"))
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        try:
            wire(client, balancer, {_LINK: servers})
            # The farms in mode dnat show the backends their clients.
            route_back(servers, _LINK, "dnat")
            for version, network in _NETWORK.items():
                balancer.ip(f"route add {network} via {_LINK.backend(version)}")
                servers.ip(f"route add local {network} dev lo")
            yield SoakLab(client, balancer, servers, Path(folder))
        finally:
            for one in (client, balancer, servers):
                one.close()


def flapping() -> list[str]:
    """Returns the addresses of the backends that fail by turns."""
    return [_address(4, number, one) for number in range(FARMS) for one in range(1, BACKENDS + 1)]


def places() -> dict[str, tuple[str, str]]:
    """Returns farm and backend of each address that clients may be led to."""
    found = {
        _address(4, number, one): (f"f{number:02}", f"b{one:02}")
        for number in range(FARMS)
        for one in range(1, BACKENDS + 1)
    }
    for version in _NETWORK:
        for one in range(1, _STEADY_BACKENDS + 1):
            found[_address(version, _NUMBERS[STEADY], one)] = STEADY, f"b{one:02}"
    return found


def entrances() -> list[tuple[str, str, int]]:
    """Returns the farms that clients visit, each with an address and a port."""
    found = [(f"f{number:02}", *_entrance(number)) for number in range(FARMS)]
    return [(STEADY, vip(version), 21) for version in _NETWORK] + found


def is_sticky(farm: str) -> bool:
    """Returns whether a farm leads a client back to its backend, even to one that is drained."""
    return farm.startswith("f") and int(farm[1:]) % 5 == 2


def farms_text(chance: random.Random | None = None) -> str:
    """Writes the farms file; by chance with another weight here, another time-out there, and one farm more."""
    lines = _farm(STEADY, [vip(4), vip(6)], 21, _STEADY_BACKENDS, _PATIENT, 'mode = "snat"')
    lines += _farm(SPARE, [vip(4)], 3121, _FEW, _PATIENT, 'mode = "snat"')
    if chance is not None and chance.random() < 0.5:
        lines += _farm(MORE, [vip(4)], 4121, _FEW, _PATIENT, 'mode = "snat"')
    kinds = {0: 'scheduler = "source-hash"', 1: 'scheduler = "random"', 2: 'sticky = "10m"'}
    for number in range(FARMS):
        guard = GUARD | ({"timeout": '"1800ms"'} if chance is not None and chance.random() < 0.2 else {})
        entrance, port = _entrance(number)
        lines += _farm(f"f{number:02}", [entrance], port, BACKENDS, guard, 'mode = "dnat"', kinds.get(number % 5, ""))
        if chance is not None and chance.random() < 0.2:
            # Of its last backend.
            lines.insert(-2 - len(guard), f"weight = {chance.randint(2, 5)}")
    return "\n".join((*lines, ""))


def _farm(name: str, vips: list[str], port: int, backends: int, guard: dict[str, str], *more: str) -> list[str]:
    number = _NUMBERS.get(name) if name in _NUMBERS else int(name[1:])
    versions = sorted({6 if ":" in one else 4 for one in vips})
    quoted = ", ".join(f'"{one}"' for one in vips)
    lines = [f"[farms.{name}]", 'protocol = "ftp"', f"vip = [{quoted}]", f"ports = [{port}]", *filter(None, more)]
    for one in range(1, backends + 1):
        addresses = ", ".join(f'"{_address(version, number or 0, one)}"' for version in versions)
        lines += [f"[[farms.{name}.backends]]", f'name = "b{one:02}"', f"address = [{addresses}]", "port = 21"]
    return [*lines, "", f"[farms.{name}.guardian]", *(f"{key} = {value}" for key, value in guard.items())]


def _entrance(number: int) -> tuple[str, int]:
    return vip(4, 1 + number % 19), 21 + 2100 * (number // 19)


def _address(version: int, farm: int, backend: int) -> str:
    return f"10.64.{farm}.{backend}" if version == 4 else f"fd64::{farm}:{backend}"
