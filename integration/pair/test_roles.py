"""Who serves: after a graceful change, a return, a cut between the nodes, and an absence."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from integration.clients import Data
from integration.pair.farms import everything
from integration.pair.lab import PairLab, wait_for
from integration.pair.sessions import Session
from integration.pair.topology import VIP, node_up

pytestmark = pytest.mark.root


def serve(lab: PairLab, number: int) -> None:
    """Waits until one node serves and the other one, where it runs, stands by."""
    node = lab.nodes[number - 1]
    wait_for(lambda: node.has_vips() and node.role == "master", f"{node.name} to serve")


def test_a_graceful_change_and_back(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    with ExitStack() as opened:
        sessions = [opened.enter_context(Session(pair_lab.client, VIP[v], Data.EPSV)) for v in (4, 6)]
        names = [one.fetch() for one in sessions]
        first.leave()
        serve(pair_lab, 2)
        assert not first.has_vips()
        assert [one.fate() for one in sessions] == names
        first.start_keepalived()
        wait_for(lambda: first.role == "backup", "lb1 to stand by")
        # It does not take back what it has left, until it is asked to.
        assert second.has_vips()
        second.leave()
        serve(pair_lab, 1)
        assert [one.fate() for one in sessions] == names


def test_preemption_keeps_the_sessions(pair_lab: PairLab) -> None:
    pair_lab.boot(everything(preempt=True))
    first = pair_lab.nodes[0]
    with Session(pair_lab.client, VIP[4], Data.EPSV) as session:
        name = session.fetch()
        first.crash()
        serve(pair_lab, 2)
        assert session.fate() == name
        first.boot(Path(pair_lab.folder / "farms.toml"))
        serve(pair_lab, 1)
        wait_for(lambda: not pair_lab.nodes[1].has_vips(), "lb2 to let go")
        assert session.fate() == name


def test_who_was_away_gets_what_it_missed(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    second.crash()
    with Session(pair_lab.client, VIP[4], Data.EPSV) as session:
        name = session.fetch()
        second.boot(Path(pair_lab.folder / "farms.toml"))
        wait_for(lambda: any("dport=21 " in line for line in second.flows("-p", "tcp")), "the flow on lb2")
        first.crash()
        serve(pair_lab, 2)
        assert session.fate() == name


def test_a_cut_sync_link_leaves_one_serving(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    first.ip("link set sync down")
    with Session(pair_lab.client, VIP[4], Data.EPSV) as session:
        name = session.fetch()
        # VRRP speaks on the sides that count, so nobody takes the wire between the nodes for a death.
        assert pair_lab.active is first
        assert not second.has_vips()
        assert second.flows("-p", "tcp", "--orig-port-dst", "21") == []
        node_up(first, 1)
        first.conntrackd("-B")
        wait_for(lambda: any("dport=21 " in line for line in second.flows("-p", "tcp")), "the flow on lb2")
        first.crash()
        serve(pair_lab, 2)
        assert session.fate() == name


def test_ids_and_marks_are_the_same(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    listed = [node.run(("nft", "-s", "list", "table", "inet", "noidlb")).stdout for node in pair_lab.nodes]
    assert sorted(listed[0].replace(",", " ").split()) == sorted(listed[1].replace(",", " ").split())
