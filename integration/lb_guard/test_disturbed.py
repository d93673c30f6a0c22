"""What other programs do to the table under a guardian: it hears of it at once, repairs it, and says who it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integration.lab import Lab, vip
from integration.lab.names import Asked
from integration.lb.balance import FIREWALL
from integration.lb_guard.farms import guarded
from integration.lb_guard.guarding import Guarding
from tests.support.waiting import until

pytestmark = pytest.mark.root

Start = Callable[[str], Guarding]
DAMAGE = {
    "delete table inet noidlb": "removed",
    "flush ruleset": "removed",
    "flush table inet noidlb": "changed",
    "add table inet noidlb { flags dormant; }": "changed",
    "flush chain inet noidlb dispatch": "changed",
    "add chain inet noidlb prerouting { policy drop; }": "changed",
    "insert rule inet noidlb dispatch drop": "changed",
    "flush map inet noidlb service4": "changed",
    "add element inet noidlb service4 { sctp . 192.0.2.10 . 22 : accept }": "changed",
    "add element inet noidlb range4 { * : drop }": "changed",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_done_to_the_table_is_undone_and_told(lab: Lab, guard: Start, names: int, damage: str) -> None:
    guarding = guard(guarded(lab, "tcp", ports=[names], command="check_ssh -H HOST -p 22"))
    # The table is made, and told of.
    guarding.wait("applied")
    guarding.wait_all("up", "b1", "b2", "b3")
    until(lambda: served(lab, names))
    seen = len(guarding.events)
    lab.balancer.nft(damage)
    event = guarding.wait("applied", after=seen)
    assert f"the table was {DAMAGE[damage]} by another program (nft, process " in event.reason
    until(lambda: served(lab, names))


def test_changes_of_other_tables_are_nothing(lab: Lab, guard: Start, names: int) -> None:
    guarding = guard(guarded(lab, "tcp", ports=[names], command="check_ssh -H HOST -p 22"))
    # The table is made, and told of.
    guarding.wait("applied")
    guarding.wait_all("up", "b1", "b2", "b3")
    until(lambda: served(lab, names))
    seen = len(guarding.events)
    for _ in range(20):
        lab.balancer.nft("table ip other { chain c { counter; }; }\ndelete table ip other")
    lab.balancer.nft(f"flush table inet firewall\n{FIREWALL}")
    lab.balancer.nft("flush chain inet noidlb dispatch")
    event = guarding.wait("applied", after=seen)
    assert "changed by another program" in event.reason
    assert [one.kind for one in guarding.events[seen:]] == ["applied"]


def served(lab: Lab, port: int) -> bool:
    with Asked(lab.client, vip(4), port) as one:
        return one.backend in {"b1", "b2", "b3"}
