"""The farms file of the pair, as an operator writes it."""

from __future__ import annotations

from collections.abc import Sequence

from integration.pair import topology

PORTS = {"ftp": 21, "tftp": 69, "sftp": 22}


def pair_table(*, preempt: bool = False) -> str:
    """Writes the table [pair]."""
    lines = ["[pair]", f'source = ["{topology.SOURCE[4]}", "{topology.SOURCE[6]}"]']
    lines += ["preempt = true", 'preempt-delay = "1s"'] if preempt else []
    for number, priority in ((1, 130), (2, 110)):
        lines += [f"[pair.nodes.lb{number}]", f"priority = {priority}"]
        lines.append(f'sync = {{ interface = "sync", address = "{topology.own("sync", number, 4)}/30" }}')
        for side, device in (("service", "front"), ("backend", "back")):
            addresses = ", ".join(f'"{topology.own(side, number, v)}/{topology.PREFIX[v]}"' for v in (4, 6))
            lines.append(f'{side} = {{ interface = "{device}", address = [{addresses}] }}')
    return "\n".join((*lines, ""))


def farm(protocol: str, *, name: str = "", vips: Sequence[str] = (), mode: str = "snat") -> str:
    """Writes a farm of all three backends; by default on the VIP of each family."""
    addresses = list(vips) or list(topology.VIP.values())
    shown = ", ".join(f'"{one}"' for one in addresses)
    lines = [f"[farms.{name or protocol}]", f'protocol = "{protocol}"', f"vip = [{shown}]", f'mode = "{mode}"']
    lines.append('scheduler = "source-hash"')
    for number in (1, 2, 3):
        own = ", ".join(f'"{topology.backend(number, 6 if ":" in one else 4)}"' for one in addresses)
        lines += [f"[[farms.{name or protocol}.backends]]", f'name = "b{number}"', f"address = [{own}]"]
    return "\n".join((*lines, ""))


def everything(mode: str = "snat", *, preempt: bool = False) -> str:
    """Writes the pair with a farm of each protocol, and one whose VIP has another length than the backends."""
    farms = [farm(protocol, mode=mode) for protocol in PORTS]
    farms.append(farm("ftp", name="short", vips=[topology.SHORT_VIP[4]], mode=mode))
    return "\n".join((pair_table(preempt=preempt), *farms))
