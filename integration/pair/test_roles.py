"""Who serves: after a graceful change, a return, a cut between the nodes, and an absence."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import ExitStack
from functools import partial

import pytest

from integration.clients import Data
from integration.daemon import children
from integration.lab.faults import fault
from integration.lab.sessions import FtpSession
from integration.pair.farms import everything
from integration.pair.lab import Node, PairLab
from integration.pair.site import wait_for
from integration.pair.topology import SHORT_VIP, VIP, node_up

pytestmark = pytest.mark.root

VRRP = 112


def test_a_graceful_change_and_back(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    with ExitStack() as opened:
        sessions = [opened.enter_context(FtpSession(pair_lab.client, VIP[v], Data.EPSV)) for v in (4, 6)]
        names = [one.fetch() for one in sessions]
        first.leave()
        pair_lab.wait_until_serves(second)
        assert not first.has_vips()
        assert [one.outcome() for one in sessions] == names
        first.start_keepalived()
        wait_for(lambda: first.role == "backup", "lb1 to stand by")
        # It does not take back what it has left, until it is asked to.
        assert second.has_vips()
        second.leave()
        pair_lab.wait_until_serves(first)
        assert [one.outcome() for one in sessions] == names


def test_a_node_that_serves_for_a_moment_stands_by_again(pair_lab: PairLab) -> None:
    """keepalived of the serving node stalls, and both serve: the other one runs its notify script twice at a time."""
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    stalled = first.daemons["keepalived"].pid
    for _ in range(5):
        family = (stalled, *children(stalled))
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        wait_for(second.has_vips, "lb2 to take over")
        for pid in family:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: not second.has_vips(), "lb2 to let go")
        wait_for(lambda: (first.role, second.role) == ("master", "backup"), "the roles")
        # Nothing that still runs may write another one.
        wait_for(lambda: not notifying(second), "the end of the notify scripts")
        assert (first.role, second.role) == ("master", "backup")


def notifying(node: Node) -> bool:
    """Whether a run of its notify script has not ended yet."""
    return node.run(("pgrep", "-f", str(node.out / "notify")), check=False).returncode == 0


def test_preemption_keeps_the_sessions(pair_lab: PairLab) -> None:
    pair_lab.boot(everything(preempt=True))
    first, second = pair_lab.nodes
    with FtpSession(pair_lab.client, VIP[4], Data.EPSV) as session:
        name = session.fetch()
        first.crash()
        pair_lab.wait_until_serves(second)
        assert session.outcome() == name
        first.boot(pair_lab.folder / "farms.toml")
        pair_lab.wait_until_serves(first)
        wait_for(lambda: not second.has_vips(), "lb2 to let go")
        assert session.outcome() == name


def test_who_was_away_gets_what_it_missed(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    second.crash()
    with FtpSession(pair_lab.client, VIP[4], Data.EPSV) as session:
        name = session.fetch()
        second.boot(pair_lab.folder / "farms.toml")
        wait_for(lambda: any("dport=21 " in line for line in second.flows("-p", "tcp")), "the flow on lb2")
        first.crash()
        pair_lab.wait_until_serves(second)
        assert session.outcome() == name


def test_sessions_go_on_when_conntrackd_restarts_on_both(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes

    def knows(node: Node, session: FtpSession) -> bool:
        assert session.ftp.sock is not None
        port = session.ftp.sock.getsockname()[1]
        return any(f"sport={port} " in line for line in node.flows("-p", "tcp", "--orig-port-dst", "21"))

    # Its sequence numbers are shifted, which no copy of the flow has.
    with FtpSession(pair_lab.client, SHORT_VIP[4], Data.PASV) as stretched:
        name = stretched.fetch()
        # Of its kernel's flows a conntrackd knows those that were there at its start.
        wait_for(partial(knows, second, stretched), "the flow on lb2")
        second.start_conntrackd()
        first.start_conntrackd()
        with FtpSession(pair_lab.client, VIP[4], Data.EPSV) as after:
            other = after.fetch()
            # It comes behind all that was sent at the start.
            wait_for(partial(knows, second, after), "the later flow on lb2")
            assert stretched.outcome() == name
            assert after.outcome() == other


def test_a_cut_sync_link_leaves_one_serving(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    first.ip("link set sync down")
    with FtpSession(pair_lab.client, VIP[4], Data.EPSV) as session:
        name = session.fetch()
        # VRRP speaks on the sides that count, so nobody takes the wire between the nodes for a death.
        assert pair_lab.active is first
        assert not second.has_vips()
        assert second.flows("-p", "tcp", "--orig-port-dst", "21") == []
        node_up(first, 1)
        first.conntrackd("-B")
        wait_for(lambda: any("dport=21 " in line for line in second.flows("-p", "tcp")), "the flow on lb2")
        first.crash()
        pair_lab.wait_until_serves(second)
        assert session.outcome() == name


@pytest.mark.parametrize("side", ["front", "back"])
def test_nodes_that_lose_each_other_on_one_side_change_nothing(pair_lab: PairLab, side: str) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    deaf = f'iifname "{side}" meta l4proto {VRRP} drop'
    with fault(first, deaf), fault(second, deaf):
        # Ten times as long as a death takes.
        time.sleep(6)
        assert pair_lab.active is first
        assert second.role == "backup"


def test_nodes_that_lose_each_other_altogether_both_serve_until_they_meet_again(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    deaf = f"meta l4proto {VRRP} drop"
    with fault(first, deaf), fault(second, deaf):
        pair_lab.wait_until_serves(second)
        assert first.has_vips()
        for node in (first, second):
            said = node.noidlb("doctor", "--pair-dir", node.out, "--run-dir", node.run_folder, check=False)
            assert f"role: {node.name} serves" in said
    wait_for(lambda: not second.has_vips() and second.role == "backup", "lb2 to stand by")
    assert pair_lab.active is first


def test_ids_and_marks_are_the_same(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    listed = [node.run(("nft", "-s", "list", "table", "inet", "noidlb")).stdout for node in pair_lab.nodes]
    assert sorted(listed[0].replace(",", " ").split()) == sorted(listed[1].replace(",", " ").split())


def test_each_node_tells_what_it_is(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    for node in (first, second):
        # Both have received: each answers the other's messages.
        wait_for(partial(has_heard, node), "the other node")
    assert "ok     role: lb1 serves" in examined(first)
    assert "ok     role: lb2 stands by" in examined(second)
    assert "ok     synchronization:" in examined(second)
    second.daemons.pop("conntrackd").stop()
    assert "fault  synchronization: conntrackd does not answer" in examined(second)
    assert "keepalived.conf: is from this farms file" in examined(second)


def test_the_check_reads_what_was_written(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    node = pair_lab.nodes[0]
    farms = pair_lab.folder / "farms.toml"
    words = ("pair", farms, "--node", node.name, "--out", node.out, "--run-dir", node.run_folder, "--check")
    assert "ok     keepalived -t: takes the configuration" in node.noidlb(*words)


def examined(node: Node) -> str:
    """Runs noidlb doctor on a node."""
    return node.noidlb("doctor", "--pair-dir", node.out, "--run-dir", node.run_folder, check=False)


def has_heard(node: Node) -> bool:
    """Whether anything has come over the sync link."""
    found = re.search(r"(\d+) Pckts recv", node.conntrackd("-s"))
    return found is not None and int(found[1]) > 0


def test_nodes_that_do_not_hear_each_other_both_serve_and_say_so(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    first, second = pair_lab.nodes
    deaf = "table inet deaf { chain heard { type filter hook input priority 0; meta l4proto 112 drop; }; }"
    second.nft(deaf)
    pair_lab.wait_until_serves(second)
    assert "ok     role: lb1 serves" in examined(first)
    assert "ok     role: lb2 serves" in examined(second)
    second.nft("delete table inet deaf")
    # The higher priority stays.
    wait_for(lambda: second.role == "backup" and not second.has_vips(), "lb2 to let go")
    assert first.has_vips()
    assert first.role == "master"


def test_who_stands_by_keeps_what_it_was_sent(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    second = pair_lab.nodes[1]
    # Whatever conntrackd schedules for later is to happen now.
    configuration = second.out / "conntrackd.conf"
    text = configuration.read_text()
    configuration.write_text(text.replace("Mode FTFW {\n", "Mode FTFW {\n        PurgeTimeout 1\n"))
    second.start_conntrackd()
    with FtpSession(pair_lab.client, VIP[4], Data.EPSV) as session:
        name = session.fetch()
        wait_for(lambda: any("dport=21 " in line for line in second.flows("-p", "tcp")), "the flow on lb2")
        second.run((second.out / "notify", "GROUP", "noidlb", "BACKUP", "110"), env=second.environment)
        time.sleep(4)
        assert any("dport=21 " in line for line in second.flows("-p", "tcp"))
        pair_lab.nodes[0].crash()
        pair_lab.wait_until_serves(second)
        assert session.outcome() == name
