"""Farms that nobody serves: clients are refused at once, and the balancer's own servers are not reached instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from integration.clients import Errand, Target, sftp
from integration.lab import GATEWAY, Lab, vip
from integration.lab.names import ask, ask_udp, name_servers
from integration.lab.servers import Place, sshd
from integration.lb.balance import Balance
from integration.lb.farms import NAMES, farm

pytestmark = pytest.mark.root

SOON = 0.5
"""Seconds; a client makes its second attempt after one."""


@pytest.fixture
def own(lab: Lab) -> Iterator[None]:
    """The balancer's own servers, on all of its addresses."""
    with name_servers([lab.balancer], 21, 69, NAMES):
        yield


def all_down(lab: Lab, balance: Balance) -> None:
    """Lets the operator take out one backend after the other."""
    for backend in lab.backends:
        balance.down("farm", backend.name)


def all_drained(lab: Lab, balance: Balance) -> None:
    """Leaves all backends to clients of before."""
    for backend in lab.backends:
        balance.drain("farm", backend.name)


def stopped(lab: Lab, balance: Balance) -> None:
    """Stops the farm."""
    balance.stop("farm")


def all_stopped(lab: Lab, balance: Balance) -> None:
    """Stops all farms."""
    balance.stop()


def is_refused_soon(look: Callable[[], str]) -> None:
    """Fails unless clients are refused, and one of a few sooner than a second attempt would be."""
    for _ in range(10):
        start = time.monotonic()
        assert look() == "refused"
        if time.monotonic() - start < SOON:
            return
    pytest.fail("no refusal came at once")


OUT_OF_SERVICE = pytest.mark.parametrize("take_out", [all_down, all_drained, stopped, all_stopped])
TakeOut = Callable[[Lab, Balance], None]


@OUT_OF_SERVICE
@pytest.mark.parametrize("sticky", [False, True], ids=["", "sticky"])
def test_tcp_is_refused(lab: Lab, balance: Balance, own: None, version: int, take_out: TakeOut, sticky: bool) -> None:
    assert ask(lab.client, vip(version), NAMES) == "balancer", "this is what must not happen"
    balance(farm(lab, "tcp", ports=[NAMES], sticky="5m") if sticky else farm(lab, "tcp", ports=[NAMES]))
    take_out(lab, balance)
    is_refused_soon(lambda: ask(lab.client, vip(version), NAMES))
    assert ask(lab.client, GATEWAY[version], NAMES) == "balancer", "the balancer's own address is its own"


@OUT_OF_SERVICE
def test_udp_is_refused(lab: Lab, balance: Balance, own: None, version: int, take_out: TakeOut) -> None:
    balance(farm(lab, "udp", ports=[NAMES]))
    take_out(lab, balance)
    is_refused_soon(lambda: ask_udp(lab.client, vip(version), NAMES))


@OUT_OF_SERVICE
def test_ftp_and_tftp_are_refused(lab: Lab, balance: Balance, own: None, version: int, take_out: TakeOut) -> None:
    balance(farm(lab, "ftp"))
    take_out(lab, balance)
    assert ask(lab.client, vip(version), 21) == "refused"
    balance(farm(lab, "tftp"))
    take_out(lab, balance)
    assert ask_udp(lab.client, vip(version), 69) == "refused"


def test_a_farm_that_begins_with_all_down(lab: Lab, balance: Balance, own: None, version: int) -> None:
    balance(farm(lab, "tcp", ports=[NAMES], every={"state": "down"}))
    assert ask(lab.client, vip(version), NAMES) == "refused"


def test_a_killed_backend_is_not_replaced_by_the_balancer(lab: Lab, balance: Balance, own: None, version: int) -> None:
    """Nobody has noticed yet: the refusal is the backend's own."""
    balance(farm(lab, "tcp", ports=[NAMES], backends=lab.backends[:1]))
    assert ask(lab.client, vip(version), NAMES) == "refused"


def test_passive_ports_are_refused_too(lab: Lab, balance: Balance, version: int) -> None:
    low, high = lab.backends[0].passive_ports
    with name_servers([lab.balancer], low):
        passive = {"passive_ports": f"{low}-{high}"}
        balance(farm(lab, "ftp", backends=lab.backends[:1], every=passive))
        balance.down("farm", "b1")
        assert ask(lab.client, vip(version), low) == "refused"


def test_sshd_of_the_balancer_is_not_reached(lab: Lab, balance: Balance, version: int) -> None:
    """Its host key would be an alarm, and its passwords would go to the wrong machine."""
    folder = lab.folder / f"own-sshd-{version}"
    folder.mkdir()
    server = sshd(Place(namespace=lab.balancer, files=folder, folder=folder), lab.keys)
    try:
        server.wait()
        target = Target(host=vip(version), port=22)
        errand = Errand(get=())
        keys = folder / "known_hosts"
        assert sftp(lab.client, target, errand, key=lab.keys.user, known_hosts=keys).code == 0
        balance(farm(lab, "sftp"))
        all_down(lab, balance)
        refused = sftp(lab.client, target, errand, key=lab.keys.user, known_hosts=keys)
        assert refused.code != 0
        assert "refused" in refused.output
    finally:
        server.kill()


def test_start_serves_again(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names]))
    for farm_name in ("farm", None):
        balance.stop(farm_name)
        assert ask(lab.client, vip(version), names) == "refused"
        balance.start(farm_name)
        assert ask(lab.client, vip(version), names) in {"b1", "b2", "b3"}
