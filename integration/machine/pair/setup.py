"""Makes two machines a pair: a network, and docs/pair.md word by word."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from integration.machine.inside.report import Report
from integration.machine.pair.lab import MachineLab
from integration.machine.pair.machine import Machine
from integration.machine.pair.pages import PAIR, farms, script, section
from integration.pair.site import wait_for

FILE = "/etc/noidlb/farms.toml"
_NETWORK = """\
[Match]
Name={name}
[Network]
IPv6AcceptRA=no
{addresses}
"""
# The image waits for no network, and an operator's machine does.
_NETWORKD = "systemctl unmask systemd-networkd-wait-online\nsystemctl enable --now systemd-networkd\n"
_ONLINE = "/lib/systemd/systemd-networkd-wait-online --timeout=200"
_VERSIONS = """\
uname -r; systemctl --version | head -1; nft --version
keepalived --version 2>&1 | head -1; conntrackd -v | head -1
"""


def set_up(report: Report, lab: MachineLab) -> None:
    """Boots both machines, and lets lb1 serve and lb2 stand by."""
    first, second = lab.nodes
    with report.step("two machines boot") as say:
        for node in lab.nodes:
            node.power_on()
        _both(lab, Machine.wait_until_booted)
        say("; ".join(first.run(_VERSIONS).splitlines()))
    with report.step("both have a network, and the farms file"):
        _both(lab, _configure)
    for node in lab.nodes if not report.failures else ():
        with report.step(f"docs/pair.md, on {node.name}") as say:
            say(_follow(node))
            if node is first:
                lab.wait_until_serves(first)
            else:
                wait_for(lambda: second.role == "backup", "lb2 to stand by", lab.patience)


def _both(lab: MachineLab, work: Callable[[Machine], object]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(work, lab.nodes))


def _configure(node: Machine) -> None:
    number = node.number
    addresses = (
        (f"10.10.0.{number + 1}/24", f"fd00:10::{number + 1}/64"),
        (f"10.20.0.{number + 1}/24", f"fd00:20::{number + 1}/64"),
        (f"172.31.0.{number}/30",),
    )
    for card, these in enumerate(addresses):
        lines = [f"Address={address}" for address in these]
        text = _NETWORK.format(name=f"eth{card}", addresses="\n".join(lines))
        node.write(f"/etc/systemd/network/eth{card}.network", text)
    node.run(f"echo {node.name} >/etc/hostname; hostname {node.name}")
    node.run(_NETWORKD + _ONLINE)
    node.write(FILE, farms())


def _follow(node: Machine) -> str:
    """Does what the page says, on one node; returns what the check of its files said."""
    (packages, *_), (files, *_), blocks = (section(PAIR, title) for title in ("## 1.", "## 3.", "## 4."))
    node.run(script(packages).replace("apt-get install", "dpkg-query -W"))
    checked = node.run(script(files).replace("--node lb1", f"--node {node.name}"))
    node.run(script(blocks[0]))
    # A power cut at once would find nothing on the disk.
    node.run("sync")
    return "; ".join(checked.splitlines())
