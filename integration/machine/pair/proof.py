"""What docs/pair.md promises, on two machines: who serves, what goes on, and that nothing was refused on the way."""

from __future__ import annotations

import re

from integration.machine.inside.report import Report
from integration.machine.inside.system import Say
from integration.machine.pair import crashes, restarts
from integration.machine.pair.lab import MachineLab
from integration.machine.pair.machine import Machine
from integration.machine.pair.sessions import Sessions
from integration.pair.transfers import KINDS, Transfer, start_all

_UNITS = (
    *("keepalived", "conntrackd", "noidlb-guard", "nftables"),
    *("systemd-sysctl", "systemd-modules-load", "systemd-tmpfiles-setup"),
)
_REFUSED = re.compile(
    r"refused|denied|not permitted|Traceback|SIGSYS|[Ff]ailed|[Cc]annot|[Cc]an't|[Uu]nknown|[Dd]eprecated|WARNING|rror"
)

# What `restarts` has done.
_KILLED = "Failed with result 'signal'."


def prove(report: Report, lab: MachineLab) -> None:
    """Runs everything on a pair of which lb1 serves and lb2 stands by."""
    first, second = lab.nodes
    _roles(report, first, second)
    for version in (4, 6):
        with report.step(f"transfers through the VIP over IPv{version}") as say:
            _transfers(lab, version, say)
    with report.step("FTP sessions of every kind") as say:
        sessions = Sessions(lab)
        say(sessions.check())
    with sessions:
        restarts.prove(report, lab, sessions)
    _journals(report, lab)
    with Sessions(lab) as sessions:
        crashes.prove(report, lab, sessions)
    _roles(report, second, first)
    _journals(report, lab)


def _roles(report: Report, active: Machine, other: Machine) -> None:
    with report.step(f"{active.name} serves, and {other.name} stands by, as doctor and status say") as say:
        for node, said, role in ((active, "serves", "master"), (other, "stands by", "backup")):
            examined = node.run("noidlb doctor", codes=(0, 1))
            if f"ok     role: {node.name} {said}" not in examined or re.search("^fault", examined, re.MULTILINE):
                raise RuntimeError(examined)
            if f"this balancer's role in its pair: {role}" not in (status := node.run("noidlb status")):
                raise RuntimeError(status)
            say("; ".join(re.findall(r"^(?:warn|ok     synchronization).*", examined, re.MULTILINE)))
        if len({node.run("noidlb pair --hash") for node in (active, other)}) != 1:
            raise RuntimeError("another hash on the other node")


def _transfers(lab: MachineLab, version: int, say: Say) -> None:
    transfers = [Transfer(lab, kind, version) for kind in KINDS]
    start_all(transfers, 0.0)
    found = {one.kind: one.finish() for one in transfers}
    if any(found.values()):
        raise RuntimeError(str(found))
    say(", ".join(found))


def _journals(report: Report, lab: MachineLab) -> None:
    for node in lab.nodes:
        with report.step(f"journal of {node.name}: nothing refused, and no unit failed") as say:
            units = " ".join(f"-u {unit}" for unit in _UNITS)
            show = "journalctl -b -q -o short-monotonic --no-pager"
            lines = node.run(f"{show} {units}; {show} -t noidlb-pair").splitlines()
            found = [line for line in lines if _REFUSED.search(line) and not line.endswith(_KILLED)]
            found += node.run("systemctl list-units --failed --no-legend --plain").splitlines()
            if found:
                raise RuntimeError("\n".join(found[:60]))
            say(f"{len(lines)} lines")
