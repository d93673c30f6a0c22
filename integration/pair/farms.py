"""The farms file of the pair, as an operator writes it."""

from __future__ import annotations

from collections.abc import Sequence

from integration.pair import topology

PORTS = {"ftp": 21, "tftp": 69, "sftp": 22}


def pair_table(*, preempt: bool = False, versions: Sequence[int] = (4, 6)) -> str:
    """Writes the table [pair] with addresses of some families; entries travel over the first one."""
    sources = ", ".join(f'"{topology.SOURCE[v]}"' for v in versions)
    lines = ["[pair]", f"source = [{sources}]"]
    lines += ["preempt = true", 'preempt-delay = "1s"'] if preempt else []
    for number, priority in ((1, 250), (2, 240)):
        lines += [f"[pair.nodes.lb{number}]", f"priority = {priority}"]
        for side, device, families in (
            ("sync", "sync", versions[:1]),
            ("service", "front", versions),
            ("backend", "back", versions),
        ):
            addresses = ", ".join(f'"{topology.own(side, number, v)}/{topology.prefix(side, v)}"' for v in families)
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


def everything(mode: str = "snat", *, preempt: bool = False, versions: Sequence[int] = (4, 6)) -> str:
    """Writes the pair with a farm of each protocol, and in IPv4 one whose VIP is shorter than its backends."""
    vips = [topology.VIP[version] for version in versions]
    farms = [farm(protocol, vips=vips, mode=mode) for protocol in PORTS]
    if 4 in versions:
        farms.append(farm("ftp", name="short", vips=[topology.SHORT_VIP[4]], mode=mode))
    return "\n".join((pair_table(preempt=preempt, versions=versions), *farms))
