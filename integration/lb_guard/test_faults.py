"""What can happen to a backend: the guardian finds it out, says why, and clients go to the others."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from integration.clients import Errand, Target, curl_ftp, curl_tftp
from integration.lab import Lab, servers, vip
from integration.lab.faults import BLACKHOLE, FORBID, NO_PASSIVE_DATA, REFUSE, fault
from integration.lab.names import Asked, ask_often
from integration.lb.balance import flows
from integration.lb_guard.farms import guarded
from integration.lb_guard.guarding import Guarding
from tests.support.waiting import until

pytestmark = pytest.mark.root

Start = Callable[[str], Guarding]
BACKENDS = ("b1", "b2", "b3")
OTHERS = {"b1", "b3"}
DEEP = "check_ftp -H HOST -p PORT --data passive"


def by_ftp(lab: Lab) -> str:
    return curl_ftp(lab.client, Target(host=vip(4), port=21), Errand(listing=False)).backend


def by_tftp(lab: Lab) -> str:
    return curl_tftp(lab.client, Target(host=vip(4), port=69), Errand(listing=False)).backend


def settle(look: Callable[[], str], wanted: set[str]) -> None:
    """Waits until clients find these and no others; the kernel follows an event within milliseconds."""
    until(lambda: {look() for _ in range(6)} == wanted)
    assert {look() for _ in range(6)} == wanted


@pytest.mark.parametrize(
    ("rules", "reason"),
    [(BLACKHOLE, "timeout"), (REFUSE, "Connection refused"), (FORBID, "No route to host")],
    ids=["blackholed", "refused", "forbidden"],
)
def test_a_dead_network(lab: Lab, guard: Start, rules: str, reason: str) -> None:
    guarding = guard(guarded(lab, "ftp"))
    guarding.wait_all("up", *BACKENDS)
    settle(lambda: by_ftp(lab), set(BACKENDS))
    with fault(lab.backends[1], rules):
        event = guarding.wait("down", "b2")
        assert reason in event.reason
        assert (event.farm, event.address) == ("farm", "10.20.2.2:21")
        assert event.since is not None
        assert event.since <= event.time
        assert event.transcript
        settle(lambda: by_ftp(lab), OTHERS)
    guarding.wait("up", "b2", after=guarding.events.index(event))
    settle(lambda: by_ftp(lab), set(BACKENDS))


@pytest.mark.parametrize("protocol", ["ftp", "tftp"])
def test_a_firewall_of_a_backend_that_rejects_ipv6(lab: Lab, guard: Start, protocol: str) -> None:
    guarding = guard(guarded(lab, protocol, version=6))
    guarding.wait_all("up", *BACKENDS)
    # For its message Linux has the error that this machine's own routes and firewall give.
    with fault(lab.backends[1], FORBID):
        event = guarding.wait("down", "b2")
        assert "Permission denied" in event.reason
    guarding.wait("up", "b2", after=guarding.events.index(event))


def test_a_killed_server(lab: Lab, guard: Start) -> None:
    guarding = guard(guarded(lab, "ftp"))
    guarding.wait_all("up", *BACKENDS)
    backend = lab.backends[1]
    backend.remove("vsftpd")
    try:
        event = guarding.wait("down", "b2")
        assert "Connection refused" in event.reason
        settle(lambda: by_ftp(lab), OTHERS)
    finally:
        backend.exchange("vsftpd", partial(servers.vsftpd, passive=backend.passive_ports))
    guarding.wait("up", "b2", after=guarding.events.index(event))


def test_a_hung_server_that_a_tcp_check_would_take_for_healthy(lab: Lab, guard: Start) -> None:
    guarding = guard(guarded(lab, "ftp"))
    guarding.wait_all("up", *BACKENDS)
    server = lab.backends[1].server["vsftpd"]
    server.hang()
    try:
        assert "timeout" in guarding.wait("down", "b2").reason
        settle(lambda: by_ftp(lab), OTHERS)
    finally:
        server.wake()


def test_a_half_dead_ftp_server(lab: Lab, guard: Start) -> None:
    """Control answers, the data ports are closed: a look at the greeting alone would not find it out."""
    plain = guarded(lab, "ftp", name="plain", ports=[2121], every={"port": 21})
    deep = guarded(lab, "ftp", command=DEEP)
    guarding = guard(plain + deep)
    guarding.wait_all("up", *BACKENDS)
    with fault(lab.backends[1], NO_PASSIVE_DATA):
        event = guarding.wait("down", "b2")
        assert event.farm == "farm"
        assert "data" in event.reason or "timeout" in event.reason
        settle(lambda: by_ftp(lab), OTHERS)
        assert {one.farm for one in guarding.events if one.kind == "down"} == {"farm"}
    guarding.wait("up", "b2", after=guarding.events.index(event))


@contextmanager
def announcing(lab: Lab, address: str) -> Iterator[None]:
    """Lets the FTP server of b2 announce another address for its data connections."""
    backend = lab.backends[1]
    backend.exchange("vsftpd", partial(servers.vsftpd, passive=backend.passive_ports, announce=address))
    try:
        yield
    finally:
        backend.exchange("vsftpd", partial(servers.vsftpd, passive=backend.passive_ports))


def test_a_foreign_address_in_the_227(lab: Lab, guard: Start) -> None:
    text = guarded(lab, "ftp", command=DEEP)
    guarding = guard(text)
    guarding.wait_all("up", *BACKENDS)
    with announcing(lab, "10.9.9.9"):
        # While the one server took the place of the other it was refused; that may have been the news.
        guarding.wait("down", "b2")
        settle(lambda: by_ftp(lab), OTHERS)
        guarding.stop()
        seen = len(guarding.events)
        guarding.start()
        event = guarding.wait("down", "b2", after=seen)
        assert "10.9.9.9" in event.reason
        assert "10.20.2.2" in event.reason


def test_a_tftp_server_without_the_file(lab: Lab, guard: Start) -> None:
    guarding = guard(guarded(lab, "tftp", command="check_tftp -H HOST -p PORT -f name"))
    guarding.wait_all("up", *BACKENDS)
    settle(lambda: by_tftp(lab), set(BACKENDS))
    name = lab.backends[1].files / "name"
    name.rename(name.with_name("moved"))
    try:
        event = guarding.wait("down", "b2")
        assert "not found" in event.reason.lower() or "no such" in event.reason.lower()
        settle(lambda: by_tftp(lab), OTHERS)
    finally:
        name.with_name("moved").rename(name)
    guarding.wait("up", "b2", after=guarding.events.index(event))


def test_a_dead_tftp_server_leaves_no_flows_behind(lab: Lab, guard: Start) -> None:
    guarding = guard(guarded(lab, "tftp", command="check_tftp -H HOST -p PORT -f name"))
    guarding.wait_all("up", *BACKENDS)
    settle(lambda: by_tftp(lab), set(BACKENDS))
    with fault(lab.backends[1], BLACKHOLE):
        # Each from a port of its own is a flow: a third of them goes to b2, where nobody answers.
        for _ in range(9):
            with lab.client.entered():
                one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with one:
                one.sendto(b"\0\1name\0octet\0", (vip(4), 69))
        guarding.wait("down", "b2")
        until(lambda: not flows(lab.balancer, 4, "-p", "udp", "--orig-dst", vip(4), "--reply-src", "10.20.2.2"))
        settle(lambda: by_tftp(lab), OTHERS)


def test_sshd_that_is_too_busy(lab: Lab, guard: Start) -> None:
    backend = lab.backends[1]
    backend.exchange("sshd", partial(servers.sshd, keys=lab.keys, max_startups="2:100:2"))
    guarding = guard(guarded(lab, "sftp", settings={"on-warning": "down"}))
    guarding.wait_all("up", *BACKENDS)
    try:
        with ExitStack() as idle:
            for _ in range(2):
                with lab.balancer.entered():
                    one = socket.create_connection(("10.20.2.2", 22))
                idle.enter_context(one)
                one.recv(64)
            event = guarding.wait("down", "b2")
            assert "MaxStartups" in event.reason
        guarding.wait("up", "b2", after=guarding.events.index(event))
    finally:
        backend.exchange("sshd", partial(servers.sshd, keys=lab.keys))


def test_flapping_below_the_thresholds_changes_nothing(lab: Lab, guard: Start, tmp_path: Path) -> None:
    """One failure at a time: the check between two of them is well."""
    plugin, begun, failed, runs = (tmp_path / name for name in ("check_every_second", "begun", "failed", "runs"))
    plugin.write_text(
        f"#!/bin/sh\n[ $1 = {lab.backends[1].address(4)} ] && [ -e {begun} ] || {{ echo OK; exit 0; }}\n"
        f"echo >>{runs}\nmkdir {failed} 2>/dev/null && {{ echo CRITICAL; exit 2; }}\nrmdir {failed}\necho OK\n"
    )
    plugin.chmod(0o755)
    guarding = guard(guarded(lab, "sftp", command=f"{plugin} HOST", settings={"timeout": "60s", "fall": 4}))
    guarding.wait_all("up", *BACKENDS)
    begun.touch()
    until(lambda: runs.exists() and len(runs.read_text()) > 30)
    assert [event for event in guarding.events if event.kind == "down"] == []


def test_cut_connections_ends_what_is_under_way(lab: Lab, guard: Start, names: int) -> None:
    farms = guarded(lab, "tcp", ports=[names], command="check_ftp -H HOST -p 21", settings={"cut-connections": True})
    guarding = guard(farms)
    guarding.wait_all("up", *BACKENDS)
    settle(lambda: next(iter(ask_often(lab.client, vip(4), names, 1))), set(BACKENDS))
    with ExitStack() as stack:
        asked = [stack.enter_context(Asked(lab.client, vip(4), names)) for _ in range(6)]
        assert {one.backend for one in asked} == set(BACKENDS)
        backend = lab.backends[1]
        backend.server["vsftpd"].hang()
        try:
            guarding.wait("down", "b2")
            until(lambda: not flows(lab.balancer, 4, "--reply-src", "10.20.2.2", "--orig-dst", vip(4)))
            assert {one.backend for one in asked if one.is_alive()} == OTHERS
        finally:
            backend.server["vsftpd"].wake()
