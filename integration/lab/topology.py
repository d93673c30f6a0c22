"""Who is where: a client, a balancer and its backends, wired with veth pairs, in IPv4 and IPv6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from integration.lab.namespace import Namespace

Version = Literal[4, 6]
ReturnRoute = Literal["snat", "dnat"]

CLIENT = {4: "10.10.0.10", 6: "fd00:10::10"}
GATEWAY = {4: "10.10.0.1", 6: "fd00:10::1"}
"""The balancer's own address on the side of the client; a VIP is another one."""
VIPS = 20

_BACKENDS = {4: "10.20.0.0/16", 6: "fd00:20::/32"}
_CROWD = {4: "10.11.0.0/16", 6: "fd00:11::/64"}
_PREFIX = {4: 24, 6: 64}
_ALL = {4: "0.0.0.0/0", 6: "::/0"}


def vip(version: int, number: int = 0) -> str:
    """Returns one of the balancer's virtual addresses, of which there are VIPS in each family."""
    return f"10.10.0.{100 + number}" if version == 4 else f"fd00:10::{100 + number}"


def crowd(version: int, number: int) -> str:
    """Returns one of the client's many addresses, to which a socket may be bound before it connects."""
    return f"10.11.{number // 250}.{number % 250 + 1}" if version == 4 else f"fd00:11::{number + 1:x}"


@dataclass(frozen=True, slots=True)
class Link:
    """The wire between the balancer and backend number 1, 2, 3 ..."""

    number: int

    @property
    def interface(self) -> str:
        """Its end in the balancer; the end in the backend is eth0."""
        return f"back{self.number}"

    def balancer(self, version: int) -> str:
        """Returns the address of the balancer on it, which is the source of masqueraded connections."""
        return f"10.20.{self.number}.1" if version == 4 else f"fd00:20:{self.number}::1"

    def backend(self, version: int) -> str:
        """Returns the address of the backend."""
        return f"10.20.{self.number}.2" if version == 4 else f"fd00:20:{self.number}::2"


def wire(client: Namespace, balancer: Namespace, backends: dict[Link, Namespace]) -> None:
    """Connects empty namespaces; forwarding is switched on in the balancer alone."""
    for namespace in (client, balancer, *backends.values()):
        # Before the links come up: otherwise IPv6 says nothing for its first second, while it looks for duplicates.
        for scope in ("all", "default"):
            namespace.sysctl(f"net/ipv6/conf/{scope}/accept_dad", 0)
            namespace.sysctl(f"net/ipv6/conf/{scope}/dad_transmits", 0)
    for backend in backends.values():
        # Tests empty the connection table while a server still remembers ports of the balancer. A new connection
        # from such a port would have to wait for a second.
        backend.sysctl("net/ipv4/tcp_max_tw_buckets", 0)
    balancer.sysctl("net/ipv4/conf/all/forwarding", 1)
    balancer.sysctl("net/ipv6/conf/all/forwarding", 1)
    # Else an IPv6 socket could not be bound to one of the crowd's addresses; in IPv4 the route is enough.
    client.sysctl("net/ipv6/ip_nonlocal_bind", 1)
    balancer.ip(
        "link set lo up",
        f"link add front type veth peer name eth0 netns {client.path}",
        *(
            f"link add {link.interface} type veth peer name eth0 netns {backend.path}"
            for link, backend in backends.items()
        ),
        "link set front up",
        *(f"addr add {GATEWAY[version]}/{_PREFIX[version]} dev front" for version in (4, 6)),
        *(f"addr add {vip(version, number)} dev front" for version in (4, 6) for number in range(VIPS)),
        *(f"route add {_CROWD[version]} via {CLIENT[version]}" for version in (4, 6)),
        *(
            command
            for link in backends
            for command in (
                f"link set {link.interface} up",
                *(f"addr add {link.balancer(version)}/{_PREFIX[version]} dev {link.interface}" for version in (4, 6)),
            )
        ),
    )
    client.ip("link set lo up", *_client_side())
    for link, backend in backends.items():
        backend.ip("link set lo up")
        connect(backend, link)


def _client_side() -> list[str]:
    # Unreachable: a test must fail when a backend's address reaches the client, instead of working by luck.
    return ["link set eth0 up"] + [
        command
        for version in (4, 6)
        for command in (
            f"addr add {CLIENT[version]}/{_PREFIX[version]} dev eth0",
            f"route add local {_CROWD[version]} dev lo",
            f"route add unreachable {_BACKENDS[version]}",
        )
    ]


def connect(backend: Namespace, link: Link) -> None:
    """Brings up the backend's end of its link, with its addresses, and without any other route."""
    backend.ip(
        "link set eth0 up",
        *(f"addr replace {link.backend(version)}/{_PREFIX[version]} dev eth0" for version in (4, 6)),
    )


def route_back(backend: Namespace, link: Link, mode: ReturnRoute) -> None:
    """Gives a backend the way back to clients that mode dnat needs, or takes it away."""
    if mode == "dnat":
        backend.ip(
            *(f"route replace {everywhere} via {link.balancer(version)}" for version, everywhere in _ALL.items())
        )
    else:
        for version in _ALL:
            backend.run(("ip", f"-{version}", "route", "flush", "default"))
