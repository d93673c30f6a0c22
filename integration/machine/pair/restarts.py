"""What an operator does to the services of the pair, and what kills them one at a time, while sessions are open."""

from __future__ import annotations

from integration.clients import Errand, Target, curl_tftp
from integration.machine.inside.report import Report
from integration.machine.pair.lab import MachineLab
from integration.machine.pair.machine import PATIENCE, Machine
from integration.machine.pair.pages import PAIR, farms, script, section
from integration.machine.pair.sessions import Sessions
from integration.machine.pair.setup import FILE
from integration.pair.site import wait_for

_SECOND = "10.10.0.101"


def prove(report: Report, lab: MachineLab, sessions: Sessions) -> None:
    """Runs everything on a pair of which lb1 serves; it serves in the end."""
    first, second = lab.nodes
    for node in (second, first):
        with report.step(f"systemctl restart conntrackd on {node.name}") as say:
            node.run("systemctl restart conntrackd")
            say(lab.synchronized())
            say(sessions.check())
        with report.step(f"kill -9 of conntrackd on {node.name}: it starts again") as say:
            _kill(node, "conntrackd")
            say(lab.synchronized())
            say(sessions.check())
    with report.step("systemctl restart nftables on lb1: both tables are back") as say:
        first.run("systemctl restart nftables")
        say(f"after {wait_for(first.has_tables, 'both tables', lab.patience):.1f} s")
        say(sessions.check())
    with report.step("another VIP, as docs/pair.md says: the node that serves gets it") as say:
        _change(lab)
        say(sessions.check())
    _roles(report, lab, sessions)


def _roles(report: Report, lab: MachineLab, sessions: Sessions) -> None:
    first, second = lab.nodes
    with report.step("systemctl restart keepalived on lb2 changes nothing") as say:
        second.run("systemctl restart keepalived")
        lab.wait_until_stands_by(second)
        lab.wait_until_serves(first)
        say(sessions.check())
    with report.step("systemctl restart keepalived on lb1: lb2 serves, lb1 stands by") as say:
        first.run("systemctl restart keepalived")
        lab.wait_until_serves(second)
        lab.wait_until_stands_by(first)
        say(sessions.check(lost=True))
    with report.step("systemctl stop keepalived on lb2: lb1 serves; after start, lb2 stands by") as say:
        _hand_back(lab)
        say(sessions.check())
    with report.step("kill -9 of keepalived on lb1: lb2 serves, lb1 stands by") as say:
        _kill(first, "keepalived")
        lab.wait_until_serves(second)
        lab.wait_until_stands_by(first)
        say(sessions.check())
        _hand_back(lab)
        say(sessions.check())


def _hand_back(lab: MachineLab) -> None:
    first, second = lab.nodes
    second.run("systemctl stop keepalived")
    lab.wait_until_serves(first)
    second.run("systemctl start keepalived")
    lab.wait_until_stands_by(second)


def _kill(node: Machine, unit: str) -> None:
    """Kills every process of a service, and waits until systemd has started it again."""
    show = f"systemctl show --value -p MainPID {unit}"
    before = node.run(show)
    node.run(f"systemctl kill -s KILL {unit}")
    wait_for(lambda: node.run(show) != before and node.are_active(unit), f"another {unit} on {node.name}", PATIENCE)


def _change(lab: MachineLab) -> None:
    """Gives the farm of TFTP one more VIP, standby first, and waits until a client is served there."""
    old, new = (f'vip = ["10.10.0.100", {more}"fd00:10::100"]' for more in ("", f'"{_SECOND}", '))
    head, begin, rest = farms().partition("[farms.tftp]")
    (files, *_) = section(PAIR, "## 3.")
    active = lab.active
    for node in (lab.other(active), active):
        node.write(FILE, head + begin + rest.replace(old, new, 1))
        node.run(script(files).replace("--node lb1", f"--node {node.name}"))
        node.run("nft -f /etc/noidlb/pair/noidlb_pair.nft && noidlb reload && systemctl reload keepalived")
    errand, target = Errand(listing=False), Target(host=_SECOND, port=69)
    wait_for(lambda: curl_tftp(lab.client, target, errand).backend != "", f"an answer at {_SECOND}", lab.patience)
