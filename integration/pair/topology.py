"""Who is where: a client, two balancers and three backends on two bridges, and a wire between the balancers."""

from __future__ import annotations

from collections.abc import Sequence

from integration.lab.namespace import Namespace

# Client, VIP, source and backends have addresses of the same length as text, so that what the helper rewrites moves no
# sequence number: those sessions can be handed over. The client's IPv6 address is as long as one can be.
CLIENT = {4: "10.10.0.110", 6: "fd00:1010:1010:1010:1010:1010:1010:1010"}
SHORT_CLIENT = {4: "10.10.0.7", 6: "fd00:1010:1010:1010::7"}
"""Another address of the client, of another length."""
VIP = {4: "10.10.0.100", 6: "fd00:1010:1010:1010::100"}
SHORT_VIP = {4: "10.10.0.9"}
"""A VIP of another length than the backends have."""
SOURCE = {4: "10.20.0.100", 6: "fd00:20::100"}
PREFIX = {4: 24, 6: 64}


def own(side: str, number: int, version: int) -> str:
    """Returns the address of balancer 1 or 2 that never moves: side is service, backend or sync."""
    last = number + 1
    return {
        ("service", 4): f"10.10.0.{last}",
        ("service", 6): f"fd00:1010:1010:1010::{last}",
        ("backend", 4): f"10.20.0.{last}",
        ("backend", 6): f"fd00:20::{last}",
        ("sync", 4): f"172.31.0.{number}",
        ("sync", 6): f"fd00:31::{number}",
    }[side, version]


def prefix(side: str, version: int) -> int:
    """Returns how long the prefix of those addresses is."""
    return 30 if (side, version) == ("sync", 4) else PREFIX[version]


def backend(number: int, version: int) -> str:
    """Returns the address of backend 1, 2 or 3."""
    return f"10.20.0.{110 + number}" if version == 4 else f"fd00:20::{110 + number}"


def wire(client: Namespace, switch: Namespace, backends: Sequence[Namespace]) -> None:
    """Connects empty namespaces by the bridges front and back of the switch; client and backends have eth0."""
    for namespace in (client, switch, *backends):
        _without_dad(namespace)
    switch.ip("link add front type bridge", "link add back type bridge", "link set front up", "link set back up")
    _plug(switch, "front", "client", client, "eth0")
    addresses = [f"addr add {one[v]}/{PREFIX[v]} dev eth0" for v in (4, 6) for one in (CLIENT, SHORT_CLIENT)]
    # Used only by who asks for it: the longer one is the source of everything else.
    client.ip("link set eth0 up", *addresses, f"addr change {SHORT_CLIENT[6]}/64 dev eth0 preferred_lft 0")
    # Unreachable: a test must fail when a backend's address reaches the client, instead of working by luck.
    client.ip("route add unreachable 10.20.0.0/16", "route add unreachable fd00:20::/32")
    for number, one in enumerate(backends, 1):
        one.sysctl("net/ipv4/tcp_max_tw_buckets", 0)
        _plug(switch, "back", f"b{number}", one, "eth0")
        one.ip("link set eth0 up", *(f"addr add {backend(number, v)}/{PREFIX[v]} dev eth0" for v in (4, 6)))


def wire_nodes(switch: Namespace, nodes: Sequence[Namespace]) -> None:
    """Plugs balancers in, which then have front, back, and sync, a wire between them."""
    for number, node in enumerate(nodes, 1):
        _without_dad(node)
        _plug(switch, "front", f"front{number}", node, "front")
        _plug(switch, "back", f"back{number}", node, "back")
    nodes[0].ip(f"link add sync type veth peer name sync netns {nodes[1].path}")


def node_up(node: Namespace, number: int, versions: Sequence[int] = (4, 6)) -> None:
    """Gives a balancer its links and own addresses of some families, as after a boot."""
    for device, side in (("front", "service"), ("back", "backend"), ("sync", "sync")):
        node.ip(
            f"addr flush dev {device}",
            f"link set {device} up",
            *(f"addr replace {own(side, number, v)}/{prefix(side, v)} dev {device}" for v in versions),
        )


def node_down(node: Namespace) -> None:
    """Pulls all of a balancer's cables."""
    node.ip(*(f"link set {device} down" for device in ("front", "back", "sync")))


def return_route(backends: Sequence[Namespace]) -> None:
    """Gives the backends the way back to clients that mode dnat needs: the address that moves."""
    for one in backends:
        one.ip(f"route replace default via {SOURCE[4]}", f"route replace default via {SOURCE[6]}")


def _without_dad(namespace: Namespace) -> None:
    for scope in ("all", "default"):
        namespace.sysctl(f"net/ipv6/conf/{scope}/accept_dad", 0)
        namespace.sysctl(f"net/ipv6/conf/{scope}/dad_transmits", 0)
    namespace.ip("link set lo up")


def _plug(switch: Namespace, bridge: str, port: str, namespace: Namespace, device: str) -> None:
    switch.ip(
        f"link add p-{port} type veth peer name {device} netns {namespace.path}",
        f"link set p-{port} master {bridge}",
        f"link set p-{port} up",
    )
