"""Ways to bring a client's connection to three servers, each between a client and servers of its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import DEVNULL

from noidlb.config.load import parse
from noidlb.nft.compile import compile_table
from noidlb.nft.table import render

from integration.bench import nftlb
from integration.bench.load import Address, listening
from integration.bench.services import Service, fleet, nftlb_text, noidlb_text
from integration.lab.namespace import Namespace
from integration.lab.topology import GATEWAY, Link, route_back, vip, wire
from integration.servers import UNPACKED

PLAIN, TRACKED, ONE, MANY = "plain routing", "routing, conntrack", "noidlb, 1 farm", "noidlb, 500 farms"
NFTLB, HAND, HAPROXY = "nftlb, 1 farm", "hand-written rule", "HAProxy, 1 thread"
ALL = (PLAIN, TRACKED, HAND, NFTLB, ONE, MANY, HAPROXY)
PORT = 7000

_OTHERS = 499
_PATIENCE = 5.0
# The least that makes the kernel track connections.
_TRACK = "table ip track { chain c { type filter hook prerouting priority 0; ct state new counter; }; }"
_HAPROXY = """\
global
	nbthread 1
	maxconn 9000
defaults
	mode tcp
	timeout connect 5s
	timeout client 30s
	timeout server 30s
listen farm
	bind {vip}:{port}
	balance roundrobin
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A client with the addresses that it is to connect to, and the listeners behind them, which nobody serves yet.

    `processes` are the ids of those that carry its bytes.
    """

    client: Namespace
    balancer: Namespace
    targets: list[Address]
    listeners: list[socket.socket]
    processes: list[int]


@contextmanager
def contender(name: str, folder: Path, mode: str) -> Iterator[Contender]:
    """Puts up one of ALL, with farms of a mode, "snat" or "dnat"."""
    with ExitStack() as built:
        client, balancer, *backends = (_made(built, one) for one in ("client", "balancer", "b1", "b2", "b3"))
        links = {Link(number): backend for number, backend in enumerate(backends, 1)}
        wire(client, balancer, links)
        for link, backend in links.items():
            route_back(backend, link, "dnat")
        # Unreachable in the lab, and reached without a balancer here.
        client.ip(f"route replace 10.20.0.0/16 via {GATEWAY[4]}")
        # With one address there are not many ports for the client, nor for HAProxy to each server.
        for namespace in (client, balancer):
            namespace.sysctl("net/ipv4/tcp_max_tw_buckets", 0)
        addresses = tuple(link.backend(4) for link in links)
        farm = Service(name="farm", vip=vip(4), port=PORT, backends=addresses, protocol="tcp", mode=mode)
        processes = []
        if name == HAPROXY:
            processes.append(_start_haproxy(farm, balancer, folder))
        else:
            _load(name, farm, balancer, folder)
        targets = [(address, PORT) for address in addresses] if name in (PLAIN, TRACKED) else [(farm.vip, PORT)]
        listeners = built.enter_context(listening(backends, PORT))
        yield Contender(client, balancer, targets, listeners, processes)


def _made(built: ExitStack, name: str) -> Namespace:
    namespace = Namespace(name)
    built.callback(namespace.close)
    return namespace


def _load(name: str, farm: Service, balancer: Namespace, folder: Path) -> None:
    if name == NFTLB:
        file = folder / "nftlb.json"
        file.write_text(nftlb_text([farm]))
        nftlb.load(balancer, file)
    elif name == MANY:
        balancer.nft(_compiled([farm, *(replace(one, mode=farm.mode) for one in fleet(_OTHERS, 3))]))
    elif name != PLAIN:
        balancer.nft({TRACKED: _TRACK, ONE: _compiled([farm]), HAND: _by_hand(farm)}[name])


def _start_haproxy(farm: Service, balancer: Namespace, folder: Path) -> int:
    file = folder / "haproxy.cfg"
    servers = "".join(f"\tserver s{number} {address}:{PORT}\n" for number, address in enumerate(farm.backends))
    file.write_text(_HAPROXY.format(vip=farm.vip, port=PORT) + servers)
    # It ends with the balancer.
    process = balancer.popen((UNPACKED / "usr/sbin/haproxy", "-db", "-q", "-f", file), stdout=DEVNULL, stderr=DEVNULL)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with balancer.entered():
            probe = socket.socket()
        with probe:
            if probe.connect_ex((farm.vip, PORT)) == 0:
                return process.pid
        time.sleep(0.02)
    raise TimeoutError("HAProxy does not listen")


def _compiled(services: list[Service]) -> str:
    return render(compile_table(parse(noidlb_text(services)).farms))


def _by_hand(farm: Service) -> str:
    servers = ", ".join(f"{number} : {address}" for number, address in enumerate(farm.backends))
    count = len(farm.backends)
    source = "chain post { type nat hook postrouting priority srcnat; ct status dnat masquerade; }"
    return f"""\
table ip hand {{
	chain pre {{
		type nat hook prerouting priority dstnat;
		ip daddr {farm.vip} tcp dport {farm.port} dnat to numgen inc mod {count} map {{ {servers} }}
	}}
	{source if farm.mode == "snat" else ""}
}}
"""
