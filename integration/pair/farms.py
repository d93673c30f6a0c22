"""The farms file of the pair, as an operator writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integration.lb.farms import farm as lb_farm
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


@dataclass(frozen=True, slots=True)
class _Backend:
    name: str
    number: int

    def address(self, version: int) -> str:
        return topology.backend(self.number, version)


class _Backends:
    backends = tuple(_Backend(f"b{number}", number) for number in (1, 2, 3))


def farm(protocol: str, *, name: str = "", vips: Sequence[str] = (), mode: str = "snat") -> str:
    """Writes a farm of all three backends; by default on the VIP of each family."""
    addresses = list(vips) or list(topology.VIP.values())
    return lb_farm(_Backends(), protocol, name=name or protocol, vips=addresses, mode=mode, scheduler="source-hash")


def everything(mode: str = "snat", *, preempt: bool = False, versions: Sequence[int] = (4, 6)) -> str:
    """Writes the pair with a farm of each protocol, and in IPv4 one whose VIP is shorter than its backends."""
    vips = [topology.VIP[version] for version in versions]
    farms = [farm(protocol, vips=vips, mode=mode) for protocol in PORTS]
    if 4 in versions:
        farms.append(farm("ftp", name="short", vips=[topology.SHORT_VIP[4]], mode=mode))
    return "\n".join((pair_table(preempt=preempt, versions=versions), *farms))
