"""Examines this machine's kernel settings and addresses: forwarding, rp_filter, conntrack limits, VIPs, routes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from ..address import address_order
from ..farm import Farm, Mode
from ..nft import fullness, host as nft_host
from . import routes
from .finding import FAULT, NOTE, OK, WARN, Finding, some

if TYPE_CHECKING:
    # Not at run time, because `noidlb apply` uses obstacles() and nothing that reads other programs' rules.
    from .probe_packets import Way

# The kernel's default; unanswered TFTP requests hold one expectation each.
_EXPECTATIONS = 4096
_NEARLY = 0.8


def examine_host(farms: tuple[Farm, ...], root: Path, *, in_pair: bool = False) -> Iterator[Finding]:
    """Yields findings on forwarding, conntrack, bridges and addresses; root has the folders proc and sys.

    in_pair: a VIP may be on the other node.
    """
    yield from _forwarding(farms, root)
    yield _rp_filter(farms, root)
    yield from _tables(root)
    if not farms or any(farm.helper for farm in farms):
        yield from _expectations(root)
    yield from _bridges(root)
    yield from _loose(root)
    yield from _vips(farms, in_pair=in_pair)
    yield from _backends(farms)


def obstacles(farms: tuple[Farm, ...], *, in_pair: bool) -> Iterator[Finding]:
    """Yields findings on forwarding and VIPs that may keep all clients away and are cheap to detect."""
    yield from (one for one in _forwarding(farms, Path("/")) if one.level == FAULT)
    yield from (one for one in _vips(farms, in_pair=in_pair) if one.level in (WARN, FAULT))


def _forwarding(farms: tuple[Farm, ...], root: Path) -> Iterator[Finding]:
    versions = {vip.version for farm in farms for vip in farm.vip}
    for version, name in ((4, "net.ipv4.ip_forward"), (6, "net.ipv6.conf.all.forwarding")):
        value = read_file(root / "proc/sys" / name.replace(".", "/"))
        if value is not None and value.strip() != "0":
            yield Finding(OK, name, value.strip())
        elif version == 4 and (forwarding := _interfaces(root, "1")):
            yield Finding(OK, name, f"is 0, and 1 for {some(forwarding)}")
        else:
            level = FAULT if version in versions else WARN
            if value is None:
                yield Finding(level, name, "does not exist: the kernel has no such family")
            else:
                yield Finding(level, name, "is 0", f"sysctl -w {name}=1, and write it into /etc/sysctl.d/noidlb.conf")


def examine_interfaces(ways: Sequence[Sequence[Way]], root: Path) -> Iterator[Finding]:
    """Yields a finding for each interface of these ways that forwards no IPv4 packets, where others do.

    In IPv4 the setting of the interface on which a packet arrives decides; writing net.ipv4.ip_forward sets that of all
    interfaces. In IPv6 net.ipv6.conf.all.forwarding decides alone.
    """
    closed = {*_interfaces(root, "0")}
    if not _interfaces(root, "1"):
        # Reported as net.ipv4.ip_forward.
        return
    answers: dict[str, dict[str, None]] = {}
    requests: dict[str, dict[str, None]] = {}
    for alike in ways:
        way = alike[0]
        if way.vip.version != 4 or way.is_local:
            continue
        if way.backend_side in closed:
            answers.setdefault(str(way.backend_side), {})[way.farm.name] = None
        # Clients may arrive on any of these interfaces, or on others that are unknown here.
        if all(one.client_side in closed for one in alike):
            requests.setdefault(str(way.client_side), {})[way.farm.name] = None
    for name, farms in answers.items():
        yield _closed(FAULT, name, "answers of backends", [*farms])
    for name, farms in requests.items():
        if name not in answers:
            yield _closed(WARN, name, "packets of clients", [*farms])


def _closed(level: str, name: str, what: str, farms: list[str]) -> Finding:
    farm = "farm" if len(farms) == 1 else "farms"
    text = f"is 0, so {what} that arrive on it are dropped, of {farm} {some(farms)}"
    # With slashes, because the name may contain a dot.
    cure = f"sysctl -w net/ipv4/conf/{name}/forwarding=1, and have what configures the interface keep it"
    return Finding(level, f"net.ipv4.conf.{name}.forwarding", text, cure)


def _interfaces(root: Path, value: str) -> list[str]:
    """Returns the interfaces with this value of net.ipv4.conf.*.forwarding."""
    files = sorted((root / "proc/sys/net/ipv4/conf").glob("*/forwarding"))
    names = [path.parent.name for path in files if (read_file(path) or "").strip() == value]
    return [name for name in names if name not in ("all", "default", "lo")]


def _rp_filter(farms: tuple[Farm, ...], root: Path) -> Finding:
    # The kernel takes the larger one of the interface's value and that of "all".
    folder = root / "proc/sys/net/ipv4/conf"
    values = {path.parent.name: (read_file(path) or "").strip() for path in folder.glob("*/rp_filter")}
    strict = sorted(name for name, value in values.items() if value == "1" and name not in ("lo", "default"))
    if not strict or (values.get("all") == "2"):
        return Finding(OK, "rp_filter", "not strict")
    level = WARN if any(farm.mode is Mode.DNAT for farm in farms) else NOTE
    text = (
        f"is strict (1) for {some(strict)}: packets are dropped whose way back is another interface, which happens "
        "in dnat with more than one uplink"
    )
    cure = "sysctl -w net.ipv4.conf.all.rp_filter=2, which is loose"
    return Finding(level, "rp_filter", text, cure)


def _tables(root: Path) -> Iterator[Finding]:
    held = fullness.flows(root / "proc")
    if held is None:
        yield Finding(WARN, "nf_conntrack_max", "cannot be read: is nf_conntrack loaded?")
    else:
        share = held.count / held.limit if held.limit else 0
        level = FAULT if share >= 0.95 else WARN if share >= 0.7 else OK
        cure = "" if level == OK else "raise net.netfilter.nf_conntrack_max, because a full table drops new clients"
        yield Finding(level, "nf_conntrack_max", f"{held} flows", cure)


def _expectations(root: Path) -> Iterator[Finding]:
    """Yields findings on expected data connections, which farms of other protocols do not have."""
    held = fullness.expectations()
    if held is not None and held.count >= _NEARLY * held.limit:
        text = f"{held}: no TFTP request and no FTP data connection gets through a full table"
        cure = (
            "raise net.netfilter.nf_conntrack_expect_max; a TFTP server that answers from port 69 needs "
            "single-port = true below its farm"
        )
        yield Finding(FAULT, "expectations", text, cure)
    expected = (read_file(root / "proc/sys/net/netfilter/nf_conntrack_expect_max") or "").strip()
    if expected.isdecimal():
        few = int(expected) < _EXPECTATIONS
        cure = f"at least {_EXPECTATIONS}, because each unanswered TFTP request holds one" if few else ""
        yield Finding(WARN if few else OK, "nf_conntrack_expect_max", expected, cure)


def _bridges(root: Path) -> Iterator[Finding]:
    called = [
        name
        for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")
        if (read_file(root / "proc/sys/net/bridge" / name) or "").strip() == "1"
    ]
    has_bridge = any((root / "sys/class/net").glob("*/bridge"))
    if called and has_bridge:
        text = f"{' and '.join(called)}: bridged frames pass the farms' rules too"
        cure = "set it to 0 unless you want that"
        yield Finding(WARN, "bridges", text, cure)


def _loose(root: Path) -> Iterator[Finding]:
    value = (read_file(root / "sys/module/nf_conntrack_ftp/parameters/loose") or "").strip()
    if value in ("Y", "1"):
        yield Finding(
            WARN, "nf_conntrack_ftp", "loose is on: a server may send clients to other hosts", "load it with loose=0"
        )


def _vips(farms: tuple[Farm, ...], *, in_pair: bool) -> Iterator[Finding]:
    wanted = {address for farm in farms for address in (*farm.vip, *farm.source)}
    if not wanted:
        return
    ordered = sorted(wanted, key=address_order)
    absent = [str(one) for one in ordered if not nft_host.is_here(one)]
    if absent and in_pair:
        # What the other node has must not be added here; the finding on the role says which node serves.
        yield Finding(NOTE, "VIPs", f"{some(absent)}: on no interface of this machine, as on the node that stands by")
    elif absent:
        networks = [one.address.network for one in routes.local_addresses()]
        near = [one for one in absent if any(ip_address(one) in network for network in networks)]
        cure = "add it with ip address add, have keepalived add it, or route it to the device lo"
        if near:
            text = f"{some(near)}: on no interface of this machine, so it does not answer clients"
            yield Finding(FAULT, "VIPs", text, cure)
        else:
            # A farm serves packets that a router sends to this machine, even if the VIP is not its address.
            text = f"{some(absent)}: on no interface of this machine, so clients need a router that sends it here"
            yield Finding(WARN, "VIPs", text, cure)
    else:
        yield Finding(OK, "VIPs", "all are addresses of this machine")


def _backends(farms: tuple[Farm, ...]) -> Iterator[Finding]:
    used = ((one.address_of(version) for one in farm.backends for version in farm.versions) for farm in farms)
    wanted = {address for addresses in used for address in addresses if address is not None}
    if not wanted:
        return
    ordered = sorted(wanted, key=address_order)
    cut_off = [str(one) for one in ordered if nft_host.source_of(one) is None]
    own = [str(one) for one in ordered if nft_host.is_here(one)]
    if cut_off:
        yield Finding(FAULT, "backends", f"{some(cut_off)}: no route leads there", "add one with ip route add")
    if own:
        yield Finding(
            WARN, "backends", f"{some(own)}: this machine itself; farms in mode dnat cannot be tested from here"
        )
    if not cut_off and not own:
        yield Finding(OK, "backends", "a route leads to each of them")
    direct = sorted(farm.name for farm in farms if farm.mode is Mode.DNAT)
    if direct:
        text = (
            f"{some(direct)}: in mode dnat, backends must answer clients through this machine (their default route), "
            "and clients must not be in a backend's own network; doctor cannot see that from here"
        )
        yield Finding(NOTE, "return routes", text)


def read_file(path: Path) -> str | None:
    """Returns the text of a file in /proc or /sys, None when it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
