"""A pair without a single IPv4 address: VRRP, the sync link, VIP and source are all IPv6."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from integration.clients import Data
from integration.lab.sessions import FtpSession
from integration.pair.farms import everything
from integration.pair.lab import Node, PairLab
from integration.pair.site import wait_for
from integration.pair.topology import VIP
from integration.pair.transfers import KINDS, crash_amid_transfers

pytestmark = pytest.mark.root

ONLY = (6,)


def serve(lab: PairLab, node: Node) -> None:
    """Waits until a node serves, and the other one does not."""
    lab.wait_until_serves(node)
    wait_for(lambda: not lab.other(node).has_vips(), f"{lab.other(node).name} to let go")


def test_a_graceful_change_a_return_and_a_crash(pair_lab: PairLab) -> None:
    pair_lab.boot(everything(versions=ONLY), ONLY)
    first, second = pair_lab.nodes
    for node in (first, second):
        assert " inet " not in node.run(("ip", "addr", "show", "scope", "global")).stdout
    with ExitStack() as opened:
        sessions = [opened.enter_context(FtpSession(pair_lab.client, VIP[6], data)) for data in (Data.EPSV, Data.EPRT)]
        names = [one.fetch() for one in sessions]
        first.leave()
        serve(pair_lab, second)
        assert [one.outcome() for one in sessions] == names
        first.start_keepalived()
        wait_for(lambda: first.role == "backup", "lb1 to stand by")
        assert second.has_vips()
        second.crash()
        serve(pair_lab, first)
        assert [one.outcome() for one in sessions] == names


def test_running_transfers_survive(pair_lab: PairLab) -> None:
    pair_lab.boot(everything(versions=ONLY), ONLY)
    assert crash_amid_transfers(pair_lab, 6) == dict.fromkeys(KINDS, "")
    serve(pair_lab, pair_lab.nodes[1])


def test_check_and_doctor_find_nothing_wrong(pair_lab: PairLab) -> None:
    pair_lab.boot(everything(versions=ONLY), ONLY)
    first, second = pair_lab.nodes
    folders = ("--run-dir", first.run_folder)
    farms = pair_lab.folder / "farms.toml"
    checked = first.noidlb("pair", farms, "--node", first.name, "--out", first.out, *folders, "--check")
    assert "ok     keepalived -t: takes the configuration" in checked
    assert "ok     pair: nothing in the way" in checked
    for node, said in ((first, "lb1 serves"), (second, "lb2 stands by")):
        found = node.noidlb("doctor", "--pair-dir", node.out, "--run-dir", node.run_folder, check=False)
        assert f"ok     role: {said}" in found
