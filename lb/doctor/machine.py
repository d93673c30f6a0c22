"""Examines what keeps this machine from balancing, and says what helps; changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..address import IPAddress
from ..config.mark_layout import layout_of
from ..farm import Farm
from ..nft import conntrack, host, nft as kernel
from ..nft.run import KernelError
from ..nft.skeleton import TABLE, VERSION
from . import routes
from .finding import FAULT, NOTE, OK, WARN, Finding
from .firewall import examine_firewall, ways_of
from .host import examine_host, examine_interfaces, read_file
from .iptables import completed, saved
from .listeners import examine_listeners, read_listeners
from .marks import examine_marks
from .probe_packets import Way
from .rules import parse_ruleset

_CAP_NET_ADMIN = 12
# Interfaces on which no client's packets arrive.
_INTERNAL = ("lo", "dummy")


def examine(
    farms: tuple[Farm, ...], root: Path = Path("/"), *, in_pair: bool = False, applied: bool = False
) -> Iterator[Finding]:
    """Yields findings on all that these farms need, or without farms, that any farm needs.

    root has the folders proc, sys and lib. in_pair: a VIP may be on the other node. applied: the farms have been
    applied, so a missing table is a fault.
    """
    yield _told("nft", kernel.version)
    yield _told("conntrack", conntrack.version)
    yield _privilege(root)
    parts = _parts()
    yield parts
    # An error that keeps nft from running keeps it from reading the table too, and is reported once.
    yield from _table(applied=applied, known=parts.text)
    yield from _nat_helpers(farms, root)
    yield _told("flows", lambda: f"{sum(conntrack.count().values())} flows of farms")
    yield from examine_host(farms, root, in_pair=in_pair)
    ways = _ways(farms)
    yield from examine_interfaces(ways, root)
    yield from _rules(farms, ways, root, known=parts.text)
    yield from _legacy(root)
    yield from examine_listeners(farms, read_listeners(root), routes.local_addresses(), host.source_of)


def _told(subject: str, tell: Callable[[], str]) -> Finding:
    try:
        return Finding(OK, subject, tell())
    except KernelError as error:
        return Finding(FAULT, subject, str(error))


def _privilege(root: Path) -> Finding:
    text = read_file(root / "proc/self/status") or ""
    found = next((line.split()[1] for line in text.splitlines() if line.startswith("CapEff:")), "0")
    if int(found, 16) >> _CAP_NET_ADMIN & 1:
        return Finding(OK, "privilege", "CAP_NET_ADMIN")
    return Finding(
        FAULT, "privilege", "CAP_NET_ADMIN is missing", "run noidlb as root, or give the service this capability"
    )


def _parts() -> Finding:
    try:
        missing = kernel.missing_parts()
    except KernelError as error:
        return Finding(FAULT, "kernel", str(error))
    if missing:
        return Finding(
            FAULT, "kernel", f"lacks {', '.join(missing)}", "load with modprobe, or use a kernel that has it"
        )
    return Finding(OK, "kernel", "has every expression and helper that the table uses")


def _table(*, applied: bool, known: str) -> Iterator[Finding]:
    try:
        found = kernel.read()
    except KernelError as error:
        if str(error) != known:
            yield Finding(FAULT, "table", f"cannot be read: {error}")
        return
    if found is None:
        text = "is not in the kernel: nothing is balanced"
        yield Finding(FAULT if applied else NOTE, "table", text, "noidlb apply, unless a guardian is starting")
    elif found.damage:
        yield Finding(FAULT, "table", f"is damaged: {found.damage}", "noidlb apply replaces it, or a guardian at once")
    elif found.version == VERSION:
        yield Finding(OK, "table", f"version {found.version}")
    else:
        yield Finding(WARN, "table", "is of another version", "noidlb apply replaces it")


def _nat_helpers(farms: tuple[Farm, ...], root: Path) -> Iterator[Finding]:
    for name in host.nat_helpers(farms) or ["nf_nat_ftp", "nf_nat_tftp"]:
        there = host.is_there(name, root)
        if there:
            yield Finding(OK, name, "is loaded or built in")
        elif there is None:
            yield Finding(
                WARN, name, "may be missing: /sys, /lib/modules and /proc do not say", f"modprobe {name}, to be sure"
            )
        elif farms:
            advice = f"modprobe {name}, and write the name into /etc/modules-load.d/noidlb.conf"
            yield Finding(FAULT, name, "is not loaded, so data connections fail", f"noidlb apply tries, else {advice}")
        else:
            yield Finding(WARN, name, "is not loaded; noidlb apply loads it for a farm that needs it")


def _rules(farms: tuple[Farm, ...], ways: Sequence[Sequence[Way]], root: Path, *, known: str) -> Iterator[Finding]:
    try:
        text = kernel.ruleset()
        if "xt target" in text or "ct status" in text:
            text = completed(text, saved())
        chains = [one for one in parse_ruleset(text) if (one.family, one.table) != ("inet", TABLE)]
        for chain in chains:
            chain.devices |= _above(chain.devices, root)
    except KernelError as error:
        if str(error) != known:
            yield Finding(WARN, "firewall", f"is not examined: the rules cannot be read: {error}")
        return
    if farms:
        yield from examine_firewall(chains, ways)
        yield from examine_marks(chains, ways, layout_of(farms).mask, routes.rules())


def _above(devices: frozenset[str], root: Path) -> frozenset[str]:
    """Returns the bridges, bonds and VLANs on these interfaces: their packets pass the interfaces too."""
    found: set[str] = set()
    asked = [*devices]
    while asked:
        names = {path.name.removeprefix("upper_") for path in (root / "sys/class/net" / asked.pop()).glob("upper_*")}
        asked += names - found
        found |= names
    return frozenset(found)


def _ways(farms: tuple[Farm, ...]) -> list[list[Way]]:
    backends = {address: None for farm in farms for one in farm.backends for address in one.address}
    own = frozenset(one for one in backends if host.is_here(one))
    here = {one.address.ip: one.interface for one in routes.local_addresses()}
    sides: dict[IPAddress, Sequence[str | None]] = {}
    for vip in dict.fromkeys(vip for farm in farms for vip in farm.vip):
        names = (here.get(vip, ""), routes.default_interface(vip.version))
        sides[vip] = list(dict.fromkeys(one for one in names if one and not one.startswith(_INTERNAL))) or [None]
    return ways_of(farms, routes.interfaces_to(backends), sides, own)


def _legacy(root: Path) -> Iterator[Finding]:
    for name in ("ip", "ip6"):
        tables = (read_file(root / f"proc/net/{name}_tables_names") or "").split()
        if not tables:
            continue
        text = f"{name}tables-legacy has tables in use ({', '.join(sorted(tables))}), which nft does not list"
        if "nat" in tables:
            text += "; rules for a VIP there would compete with its farm"
        cure = (
            f"see {name}tables-legacy-save for what drops, saves marks or translates, or move them to {name}tables-nft"
        )
        yield Finding(NOTE, "iptables", text, cure)
