"""Machines of the pair that lose their power or start again at once, while sessions are open and transfers run."""

from __future__ import annotations

import re

from integration.machine.inside.report import Report
from integration.machine.pair.lab import MachineLab
from integration.machine.pair.machine import Machine
from integration.machine.pair.sessions import Sessions
from integration.pair.site import wait_for
from integration.pair.transfers import KINDS, crash_amid_transfers

_SERVICES = ("nftables", "noidlb-guard", "conntrackd", "keepalived")
_DRAINED = ("tftp", "b2")
# Compares each line of a file for sysctl.d with the kernel.
_SYSCTLS = """\
grep -v '^#' /etc/sysctl.d/60-noidlb.conf | while read -r name sign value; do
    found=$(sysctl -n "$name")
    [ "$found" = "$value" ] || echo "$name is $found"
done
"""


def prove(report: Report, lab: MachineLab, sessions: Sessions) -> None:
    """Runs everything on a pair of which lb1 serves; lb2 serves in the end."""
    first, second = lab.nodes
    with report.step("a backend is drained on both"):
        for node in lab.nodes:
            node.run(f"noidlb drain {' '.join(_DRAINED)}")
    _cut(report, lab, sessions, 4)
    with report.step("lb1 is switched on: everything is back, and it stands by") as say:
        first.power_on()
        say(_returned(lab, first))
        say(sessions.check())
    _cut(report, lab, sessions, 6)
    with report.step("lb2 is switched on: everything is back, and it stands by") as say:
        second.power_on()
        say(_returned(lab, second))
        say(sessions.check())
    with report.step("sysrq b on lb1, as in docs/pair.md: lb2 serves") as say:
        first.reset()
        lab.wait_until_serves(second)
        say(sessions.check())
    with report.step("lb1 has booted: everything is back, and it stands by") as say:
        say(_returned(lab, first))
        say(sessions.check())


def _cut(report: Report, lab: MachineLab, sessions: Sessions, version: int) -> None:
    active = lab.active
    other = lab.other(active)
    title = f"power cut of {active.name} amid transfers over IPv{version}: all arrive whole through {other.name}"
    with report.step(title) as say:
        # The client's IPv6 address is shorter than 39 characters, so that after active mode the control connection is
        # reset, as the page says: its 226 never comes.
        kinds = [kind for kind in KINDS if version == 4 or "active" not in kind]
        outcomes = crash_amid_transfers(lab, version, kinds)
        if any(outcomes.values()):
            raise RuntimeError(str(outcomes))
        lab.wait_until_serves(other)
        say(", ".join(outcomes))
    with report.step(f"sessions that were idle at the power cut of {active.name}") as say:
        say(sessions.check(lost=True))


def _returned(lab: MachineLab, node: Machine) -> str:
    """Waits until a node has booted and stands by, with all that it had before; returns when it had the flows."""
    other = lab.other(node)
    node.wait_until_booted()
    wait_for(lambda: node.are_active(*_SERVICES), f"the services on {node.name}", lab.patience)
    lab.wait_until_stands_by(node)
    if not other.serves:
        raise RuntimeError(f"{other.name} does not serve any more")
    if not node.has_tables():
        raise RuntimeError(node.run("nft list tables"))
    if wrong := node.run(_SYSCTLS):
        raise RuntimeError(wrong)
    farm, backend = _DRAINED
    for one in lab.nodes:
        status = one.run(f"noidlb status {farm}")
        if not re.search(rf"^\s+{backend} .* drain ", status, re.MULTILINE):
            raise RuntimeError(status)
    return lab.synchronized()
