"""Saying the same again changes nothing, and repairs what somebody else has broken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from integration.clients import Data, classic_ftp
from integration.lab import Lab, vip
from integration.lab.names import ask_often
from integration.lb.balance import Balance
from integration.lb.farms import farm
from integration.lb.visits import visit_ftp

pytestmark = pytest.mark.root

PATIENCE = 60.0


@contextmanager
def watched(lab: Lab) -> Iterator[list[str]]:
    """Collects what changes in the balancer's ruleset; the list is complete after the block."""
    path = lab.folder / "monitor"
    with path.open("w") as output:
        monitor = lab.balancer.popen(("nft", "monitor"), stdout=output)
    changes: list[str] = []
    marks = 0

    def seen() -> str:
        # It does not say when it begins to listen, nor how far it is: a table that comes and goes tells.
        nonlocal marks
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            marks += 1
            lab.balancer.nft(f"add table inet mark{marks}; delete table inet mark{marks}")
            time.sleep(0.02)
            if f"mark{marks}\n" in (text := path.read_text()):
                return text
        raise TimeoutError(f"nft monitor is silent: {path.read_text()}")

    try:
        before = seen()
        yield changes
        lines = seen()[len(before) :].splitlines()
        changes += [line for line in lines if "table inet mark" not in line and not line.startswith("# new generation")]
    finally:
        monitor.kill()
        path.unlink()


def everything(lab: Lab, names: int) -> str:
    """Writes farms that use all there is."""
    hash_with_backup = farm(lab, "sftp", name="sftp", scheduler="source-hash", of={"b3": {"backup": True}})
    return "\n".join((
        farm(lab, "ftp", name="ftp", of={"b1": {"passive_ports": "50000-50099"}}),
        farm(lab, "tftp", name="tftp", mode="dnat"),
        hash_with_backup,
        farm(lab, "tcp", name="tcp", ports=[names], sticky="5m", connection_limit=9),
        farm(lab, "tcp", name="more", ports=[names], vips=[vip(4, 1)], source=["10.20.1.1"], every={"port": names}),
    ))  # fmt: skip


def elements(lab: Lab) -> list[str]:
    """Lists the words of the ruleset, in an order of their own: elements have none."""
    return sorted(lab.balancer.run(("nft", "-s", "list", "ruleset")).stdout.replace(",", " ").split())


def test_applying_twice_changes_nothing(lab: Lab, balance: Balance, names: int) -> None:
    text = everything(lab, names)
    balance(text)
    before = balance.ruleset()
    with watched(lab) as changes:
        balance(text)
    assert changes == []
    assert balance.ruleset() == before


def test_watching_sees_a_change(lab: Lab, balance: Balance, names: int) -> None:
    balance(everything(lab, names))
    with watched(lab) as changes:
        balance.down("tcp", "b1")
    assert changes


def test_saying_it_twice_changes_nothing(lab: Lab, balance: Balance, names: int) -> None:
    balance(everything(lab, names))
    sayings: list[Callable[[], None]] = [
        lambda: balance.drain("tcp", "b1"),
        lambda: balance.down("tcp", "b1"),
        lambda: balance.down("sftp", "b2", cut=True),
        lambda: balance.stop("tftp"),
        lambda: balance.stop(),
        lambda: balance.start(),
    ]
    for say in sayings:
        say()
        with watched(lab) as changes:
            say()
        assert changes == []


def test_down_and_up_leave_no_trace(lab: Lab, balance: Balance, names: int) -> None:
    balance(everything(lab, names))
    before = elements(lab)
    for name in ("b1", "b2"):
        balance.down("tcp", name)
    for name in ("b1", "b2"):
        balance.up("tcp", name)
    assert elements(lab) == before


@pytest.mark.parametrize("damage", ["flush ruleset", "delete table inet noidlb"])
def test_applying_restores(lab: Lab, balance: Balance, names: int, version: int, damage: str) -> None:
    text = farm(lab, "tcp", name="tcp", ports=[names]) + farm(lab, "ftp", name="ftp")
    balance(text)
    lab.balancer.run(("nft", damage))
    assert ask_often(lab.client, vip(version), names, 1) == {"refused": 1}
    balance(text)
    assert ask_often(lab.client, vip(version), names, 30) == {"b1": 10, "b2": 10, "b3": 10}
    for data in (Data.EPSV, Data.EPRT):
        visit_ftp(lab, classic_ftp, vip(version), data, file="small")


def test_the_operators_word_outlives_a_flush(lab: Lab, balance: Balance, names: int) -> None:
    text = farm(lab, "tcp", ports=[names])
    balance(text)
    balance.down("farm", "b2")
    lab.balancer.run(("nft", "flush", "ruleset"))
    balance(text)
    assert ask_often(lab.client, vip(4), names, 20) == {"b1": 10, "b3": 10}


def test_other_tables_are_left_alone(lab: Lab, balance: Balance, names: int) -> None:
    foreign = "table ip other { chain prerouting { type filter hook prerouting priority 0; counter; }; }"
    lab.balancer.nft(foreign)
    before = lab.balancer.run(("nft", "-a", "-s", "list", "ruleset")).stdout
    balance(everything(lab, names))
    balance.down("tcp", "b1", cut=True)
    balance.stop(cut=True)
    assert lab.balancer.run(("nft", "-a", "-s", "list", "ruleset")).stdout == before
    assert "table inet firewall" in before
