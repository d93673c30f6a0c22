"""What goes wrong on the balancer itself is no verdict: clients are served on, and it is told."""

from __future__ import annotations

import ipaddress
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.clients import Errand, Target, curl_ftp
from integration.lab import Lab, vip
from integration.lab.faults import BLACKHOLE, REFUSE, fault
from integration.lb_guard.farms import guarded
from integration.lb_guard.guarding import Guarding
from tests.support.waiting import until

pytestmark = pytest.mark.root

Start = Callable[[str], Guarding]
BACKENDS = ("b1", "b2", "b3")


def by_ftp(lab: Lab) -> str:
    return curl_ftp(lab.client, Target(host=vip(4), port=21), Errand(listing=False)).backend


def serves(lab: Lab) -> bool:
    """Whether clients still find every backend."""
    found = {by_ftp(lab) for _ in range(6)}
    return found == set(BACKENDS)


@contextmanager
def full_table(lab: Lab) -> Iterator[None]:
    """Fills the balancer's table of connections with established ones that nothing replaces."""
    most = int(lab.balancer.run(("cat", "/proc/sys/net/netfilter/nf_conntrack_max")).stdout)
    base = int(ipaddress.ip_address("100.64.0.0"))
    flows = lab.folder / "flows"
    with open(flows, "w") as file:
        for number in range(most):
            file.write(
                f"-I -p tcp -s {ipaddress.ip_address(base + number)} -d 198.51.100.9 --sport 1234 --dport 80 "
                "--state ESTABLISHED -u ASSURED,SEEN_REPLY -t 600\n"
            )
    # It ends with an error when there is no room left, which is what is wanted.
    lab.balancer.popen(("conntrack", "-R", str(flows))).wait()
    try:
        yield
    finally:
        lab.balancer.run(("conntrack", "-D", "-p", "tcp", "-d", "198.51.100.9"))


# As distributions' guides write it: what comes back for this machine is accepted, and nothing else.
FIREWALL = "iif lo accept; ct state established,related accept; meta l4proto { icmp, icmpv6 } accept; drop"


@pytest.mark.parametrize(
    ("protocol", "command"),
    [
        ("tftp", "check_tftp -H HOST -p PORT -f name"),
        ("ftp", "check_ftp -H HOST -p PORT --data active --list '' --user anonymous"),
    ],
)
def test_the_balancers_firewall_takes_nobody_out(lab: Lab, guard: Start, protocol: str, command: str) -> None:
    with fault(lab.balancer, FIREWALL):
        guarding = guard(guarded(lab, protocol, command=command))
        guarding.wait_all("up", *BACKENDS)
        assert not [event for event in guarding.events if event.kind == "down"]


def test_checks_without_an_answer_leave_few_expectations(lab: Lab, guard: Start) -> None:
    with fault(lab.backends[0], BLACKHOLE):
        guarding = guard(guarded(lab, "tftp", command="check_tftp -H HOST -p PORT -f name", settings={"timeout": "1s"}))
        guarding.wait("down", "b1")
        # So many checks that all of them would be remembered for 30 s.
        time.sleep(10)
        expected = lab.balancer.run(("conntrack", "-L", "expect")).stdout.count("helper=tftp")
        assert expected <= 12


def test_a_plugin_that_is_taken_away_takes_nobody_out(lab: Lab, guard: Start, tmp_path: Path) -> None:
    plugin = tmp_path / "check_own"
    plugin.write_text("#!/bin/sh\necho OK - fine\n")
    plugin.chmod(0o755)
    guarding = guard(guarded(lab, "ftp", command=f"{plugin} HOST"))
    guarding.wait_all("up", *BACKENDS)
    plugin.unlink()
    reasons = [event.reason for event in guarding.wait_all("keep", *BACKENDS)]
    assert all(str(plugin) in reason for reason in reasons)
    assert serves(lab)
    assert not [event for event in guarding.events if event.kind == "down"]


@pytest.mark.parametrize("protocol", ["ftp", "tftp"])
def test_a_route_of_this_machine_that_prohibits_checks_takes_nobody_out(lab: Lab, guard: Start, protocol: str) -> None:
    guarding = guard(guarded(lab, protocol, version=6))
    guarding.wait_all("up", *BACKENDS)
    route = ("prohibit", f"{lab.backends[1].address(6)}/128")
    lab.balancer.run(("ip", "-6", "route", "add", *route))
    try:
        assert "Permission denied" in guarding.wait("keep", "b2").reason
    finally:
        lab.balancer.run(("ip", "-6", "route", "del", *route))
    guarding.wait("note", "b2")
    assert not [event for event in guarding.events if event.kind == "down"]


def test_what_serves_goes_on_serving_while_a_new_command_takes_its_time(lab: Lab, guard: Start, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    command = f"sh -c 'until [ -e {answer} ]; do sleep 0.1; done; echo OK' HOST"
    guarding = guard(guarded(lab, "ftp"))
    guarding.wait_all("up", *BACKENDS)
    until(lambda: serves(lab), 20)
    with fault(lab.backends[1], REFUSE):
        guarding.wait("down", "b2")
        # The kernel follows the event within milliseconds.
        until(lambda: {by_ftp(lab) for _ in range(6)} == {"b1", "b3"}, 20)
        seen = len(guarding.events)
        guarding.reload(guarded(lab, "ftp", command=command, settings={"timeout": "120s"}))
        assert {by_ftp(lab) for _ in range(30)} == {"b1", "b3"}
        answer.touch()
        guarding.wait_all("up", *BACKENDS, after=seen)


def test_a_guardian_that_was_stopped_for_a_while_judges_nobody_by_that(lab: Lab, guard: Start) -> None:
    guarding = guard(guarded(lab, "ftp", settings={"fall": 1, "timeout": "4s"}))
    guarding.wait_all("up", *BACKENDS)
    for _ in range(3):
        guarding.send(signal.SIGSTOP)
        time.sleep(5)
        guarding.send(signal.SIGCONT)
        time.sleep(1)
    guarding.wait("paused")
    assert not [event for event in guarding.events if event.kind == "down"]
    with fault(lab.backends[1], BLACKHOLE):
        guarding.wait("down", "b2")


def test_a_full_table_of_connections_takes_nobody_out_but_who_refuses(lab: Lab, guard: Start) -> None:
    guarding = guard(guarded(lab, "ftp", settings={"timeout": "5s", "cut-connections": True}))
    guarding.wait_all("up", *BACKENDS)
    with full_table(lab):
        assert "nf_conntrack_max" in guarding.wait("conntrack-full").reason
        guarding.wait_all("keep", *BACKENDS)
        # Long enough for the second probe of each to end, which would be the one that counts.
        time.sleep(8)
        assert not [event for event in guarding.events if event.kind == "down"]
    until(lambda: serves(lab), 20)
    with fault(lab.backends[1], BLACKHOLE):
        guarding.wait("down", "b2")
