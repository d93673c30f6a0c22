"""Flows through the farms of this very namespace: counted, kept and cut by the program noidlb."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from noidlb.nft import conntrack

from integration.lb_kernel.conftest import nft

pytestmark = pytest.mark.root

VIPS = ("10.99.0.100", "fd99::100")
BACKENDS = (("10.99.1.1", "fd99:1::1"), ("10.99.2.1", "fd99:2::1"))
FARMS = f"""
[farms.shell]
protocol = "tcp"
ports = [2000]
vip = {json.dumps(VIPS)}
backends = [
    {{ name = "b1", address = {json.dumps(BACKENDS[0])} }},
    {{ name = "b2", address = {json.dumps(BACKENDS[1])} }},
]
[farms.boot]
protocol = "tftp"
vip = {json.dumps(VIPS)}
backends = [
    {{ name = "b1", address = {json.dumps(BACKENDS[0])} }},
    {{ name = "b2", address = {json.dumps(BACKENDS[1])} }},
]
"""
RRQ = b"\0\1name\0octet\0"
Noidlb = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def _addresses() -> None:
    addresses = [*VIPS, *BACKENDS[0], *BACKENDS[1]]
    for address in addresses:
        subprocess.run(["ip", "address", "replace", address, "dev", "lo", "nodad"], check=True)


@pytest.fixture
def noidlb(tmp_path: Path) -> Iterator[Noidlb]:
    """Runs the program with the farms above applied, and fails when it does."""
    environment = {**os.environ, "NOIDLB_STATE": str(tmp_path / "state")}

    def run(*words: str, code: int = 0) -> str:
        argv = [sys.executable, "-c", "from noidlb.cli.main import main; main()", *words]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    file = tmp_path / "farms.toml"
    file.write_text(FARMS)
    subprocess.run(["conntrack", "-F"], capture_output=True, check=True)
    run("apply", str(file))
    yield run
    subprocess.run(["conntrack", "-F"], capture_output=True, check=True)


@pytest.fixture(autouse=True)
def listeners() -> Iterator[list[socket.socket]]:
    """Listens as all backends, on TCP port 2000 and on the port of TFTP, whose requests nobody answers."""
    with ExitStack() as stack:
        opened = []
        for address in (*BACKENDS[0], *BACKENDS[1]):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            opened.append(stack.enter_context(socket.create_server((address, 2000), family=family)))
            silent = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            silent.bind((address, 69))
        yield opened


def connections(count: int, stack: ExitStack) -> list[socket.socket]:
    """Connects to both VIPs by turns."""
    return [
        stack.enter_context(socket.create_connection((VIPS[number % 2], 2000), timeout=5)) for number in range(count)
    ]


def ask(count: int, stack: ExitStack) -> list[socket.socket]:
    """Sends requests to both VIPs by turns."""
    clients = []
    for number in range(count):
        family = socket.AF_INET6 if number % 2 else socket.AF_INET
        clients.append(stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)))
        clients[-1].sendto(RRQ, (VIPS[number % 2], 69))
    return clients


def status(noidlb: Noidlb) -> dict[str, Any]:
    """Returns the status of each backend as farm/backend."""
    found = json.loads(noidlb("status", "--json"))["farms"]
    return {f"{farm['name']}/{one['name']}": one for farm in found for one in farm["backends"]}


def test_current_and_total_connections_are_counted_over_both_families(noidlb: Noidlb) -> None:
    with ExitStack() as stack:
        connections(12, stack)
        ask(8, stack)
        found = status(noidlb)
        assert {name: (one["current"], one["total"]) for name, one in found.items()} == {
            "shell/b1": (6, 6),
            "shell/b2": (6, 6),
            "boot/b1": (4, 4),
            "boot/b2": (4, 4),
        }
    with ExitStack() as stack:
        connections(4, stack)
        assert status(noidlb)["shell/b1"]["total"] == 8


def test_drained_flows_go_on_and_cut_ones_end(noidlb: Noidlb) -> None:
    with ExitStack() as stack:
        clients = connections(4, stack)
        noidlb("drain", "shell", "b1")
        assert status(noidlb)["shell/b1"]["current"] == 2
        for client in clients:
            client.sendall(b"x")
        assert noidlb("down", "shell", "b1", "--cut").endswith("ended 2 flows\n")
        found = status(noidlb)
        assert (found["shell/b1"]["current"], found["shell/b2"]["current"]) == (0, 2)
        connections(4, stack)
        assert status(noidlb)["shell/b2"]["current"] == 6


@pytest.mark.parametrize("words", [("down", "shell", "b1"), ("stop", "shell")])
def test_apply_cuts_a_backend_that_the_table_lacked_before(
    noidlb: Noidlb, tmp_path: Path, words: tuple[str, ...]
) -> None:
    with ExitStack() as stack:
        connections(4, stack)
        noidlb(*words)
        file = tmp_path / "farms.toml"
        file.write_text(FARMS.replace(f'{{ name = "b1", address = {json.dumps(BACKENDS[0])} }},\n', "", 1))
        assert noidlb("apply", str(file), "--cut").partition("ended ")[2].startswith("2 flows\n")


def test_unanswered_requests_of_a_dead_tftp_backend_go_with_it(noidlb: Noidlb) -> None:
    def expected() -> int:
        lists = [
            subprocess.run(["conntrack", "-L", "expect", "-f", family], capture_output=True, text=True, check=True)
            for family in ("ipv4", "ipv6")
        ]
        return sum(len(one.stdout.splitlines()) for one in lists)

    with ExitStack() as stack:
        clients = ask(20, stack)
        assert expected() == 20
        noidlb("down", "boot", "b1")
        assert expected() == 10
        # The clients that have asked in vain find the other one from the same port.
        for number, client in enumerate(clients):
            client.sendto(RRQ, (VIPS[number % 2], 69))
        found = status(noidlb)
        assert (found["boot/b1"]["current"], found["boot/b2"]["current"]) == (0, 20)


def test_stop_refuses_new_clients_and_keeps_old_ones(noidlb: Noidlb) -> None:
    with ExitStack() as stack:
        clients = connections(2, stack)
        noidlb("stop")
        for vip in VIPS:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((vip, 2000), timeout=5)
        for client in clients:
            client.sendall(b"x")
        assert sum(one["current"] for one in status(noidlb).values()) == 2
        noidlb("start")
        connections(2, stack)
        assert noidlb("stop", "shell", "--cut").endswith("ended 4 flows\n")
        assert noidlb("stop", "--cut").endswith("the table is removed\n")
    assert "noidlb" not in nft("list", "tables")
    assert conntrack.count() == {}


def test_a_flow_that_is_not_ours_is_never_cut(noidlb: Noidlb) -> None:
    with ExitStack() as stack:
        own = stack.enter_context(socket.create_connection((BACKENDS[0][0], 2000), timeout=5))
        connections(2, stack)
        noidlb("stop", "--cut")
        own.sendall(b"x")
        listed = subprocess.run(["conntrack", "-L", "-p", "tcp"], capture_output=True, text=True, check=True)
        assert len(listed.stdout.splitlines()) == 1


def test_flows_that_vanish_during_a_cut_keep_no_others_alive() -> None:
    nft(
        "-f",
        "-",
        text="table ip marks { chain c { type filter hook output priority 0; udp dport 5000-5999 ct mark set 5; }; }",
    )
    with ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for port in range(5000, 6000):
                client.sendto(b"x", (BACKENDS[0][0], port))
    # Each takes flows away that the other one has just listed.
    with ThreadPoolExecutor() as threads:
        ended = [*threads.map(conntrack.cut, [[(5, 0xFF)]] * 2)]
    nft("delete", "table", "ip", "marks")
    assert (sum(ended), conntrack.count()) == (20_000, {})


def test_apply_restores_words_after_a_reboot(noidlb: Noidlb, tmp_path: Path) -> None:
    noidlb("down", "shell", "b1")
    noidlb("stop", "boot")
    before = nft("-s", "list", "table", "inet", "noidlb")
    nft("delete", "table", "inet", "noidlb")
    noidlb("apply", str(tmp_path / "farms.toml"))
    after = nft("-s", "list", "table", "inet", "noidlb")
    assert sorted(after.replace(",", " ").split()) == sorted(before.replace(",", " ").split())
    assert noidlb("diff", str(tmp_path / "farms.toml")) == "nothing to change\n"


def test_two_at_once_do_not_interleave(noidlb: Noidlb, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "from noidlb.cli.main import main; main()"]
    environment = {**os.environ, "NOIDLB_STATE": str(tmp_path / "state")}
    running = [
        subprocess.Popen([*argv, word, farm, one], env=environment, stdout=subprocess.PIPE, text=True)
        for farm in ("shell", "boot")
        for one in ("b1", "b2")
        for word in ("down", "drain")
    ]
    outputs = [process.communicate(timeout=600)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 8, outputs
    assert noidlb("diff", str(tmp_path / "farms.toml")) == "nothing to change\n"


def test_the_doctor_finds_this_namespace_wanting(noidlb: Noidlb) -> None:
    output = noidlb("doctor", code=1)
    assert "fault  net.ipv4.ip_forward: is 0: sysctl -w net.ipv4.ip_forward=1" in output
    assert "warn   backends: 10.99.1.1, " in output
    assert "ok     table: version" in output
    assert "ok     kernel: " in output
