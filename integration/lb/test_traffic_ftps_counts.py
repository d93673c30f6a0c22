"""Data connections of FTPS, which no helper announces: they belong to a backend, and are no clients of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from integration.lab import Lab, vip
from integration.lab.names import Asked
from integration.lab.topology import CLIENT
from integration.lb.balance import Balance, flows
from integration.lb.farms import farm

pytestmark = pytest.mark.root

CONTROL = 21
_PATIENCE = 20.0
# Bits of the conntrack mark that are another program's.
UPLINKS = (
    "table inet uplinks { chain p { type filter hook prerouting priority mangle; ct mark set ct mark or 0x3f42; }; }"
)


@contextmanager
def active(lab: Lab, version: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connects from b1's port 20 to the client, as for a PORT or EPRT inside TLS; yields both ends."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with ExitStack() as opened:
        with lab.client.entered():
            listener = opened.enter_context(socket.create_server((CLIENT[version], 0), family=family))
        with lab.backends[0].entered():
            server = opened.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
        listener.settimeout(_PATIENCE)
        server.settimeout(_PATIENCE)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((lab.backends[0].address(version), 20))
        server.connect(listener.getsockname()[:2])
        client, peer = listener.accept()
        opened.enter_context(closing(client))
        assert peer[:2] == (vip(version), 20)
        yield server, client


def status(balance: Balance) -> dict[str, Any]:
    """Returns what is said of the first backend."""
    found: dict[str, Any] = json.loads(balance.run("status", "--json").stdout)["farms"][0]["backends"][0]
    return found


def test_active_ones_are_counted_and_cut_with_their_backend(lab: Lab, balance: Balance, version: int) -> None:
    lab.mode = "dnat"
    lab.balancer.nft('add rule inet firewall forwarded iifname "back*" tcp sport 20 accept')
    lab.balancer.nft(UPLINKS)
    balance(farm(lab, "ftp", mode="dnat", ftps=["active"]))
    with active(lab, version) as (server, client):
        assert (status(balance)["current"], status(balance)["total"]) == (1, 0)
        (flow,) = flows(lab.balancer, version, "-p", "tcp", "--orig-port-src", "20")
        assert int(flow.rpartition(" mark=")[2].split()[0]) & 0xFFFF == 0x3F42, "the bits of others are kept"
        assert balance.run("down", "farm", "b1", "--cut").stdout.endswith("ended 1 flow\n")
        server.sendall(b"x")
        client.settimeout(1.0)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_passive_ones_are_no_clients_of_a_farm_with_several_ports(
    lab: Lab, balance: Balance, names: int, version: int
) -> None:
    of = {"b1": {"passive_ports": f"{names}-{names}"}}
    balance(farm(lab, "ftp", ports=[CONTROL, 990], ftps=["passive"], backends=lab.backends[:1], of=of))
    with ExitStack() as opened:
        opened.enter_context(socket_to(lab, version))
        for _ in range(3):
            assert opened.enter_context(Asked(lab.client, vip(version), names)).backend == "b1"
        found = status(balance)
        assert (found["current"], found["total"]) == (4, 1)


def socket_to(lab: Lab, version: int) -> socket.socket:
    """Opens a control connection to the VIP."""
    with lab.client.entered():
        return socket.create_connection((vip(version), CONTROL), timeout=_PATIENCE)
