"""What keeps this machine from balancing, and what to do about it; it only looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..farm import Farm, Mode
from ..finding import FAULT, NOTE, OK, WARN, Finding
from ..guardian.commands import complaints
from ..nft import conntrack, host as modules, nft as kernel
from ..nft.host import source_of as source_of
from ..nft.listing import BaseChain
from ..nft.run import KernelError

_CAP_NET_ADMIN = 12
# So many addresses are named one by one.
_NAMED = 5
# The kernel's default; unanswered TFTP requests hold one expectation each.
_EXPECTATIONS = 4096


def examine(farms: tuple[Farm, ...], root: Path = Path("/")) -> Iterator[Finding]:
    """Looks at everything that the farms need, or that any farm would; root holds proc, sys and lib."""
    yield _program("nft", kernel.version)
    yield _program("conntrack", conntrack.version)
    yield _privilege(root)
    yield _parts()
    yield from _table()
    yield from _nat_helpers(farms, root)
    yield _flow_list()
    yield from _forwarding(farms, root)
    yield _rp_filter(farms, root)
    yield from _tables(root)
    yield from _bridges(root)
    yield from _loose(root)
    yield from _other_chains(root)
    yield from _vips(farms)
    yield from _backends(farms)
    yield from _commands(farms)


def _commands(farms: tuple[Farm, ...]) -> Iterator[Finding]:
    for complaint in complaints(farms):
        yield Finding(FAULT, "guardian", f"backends cannot be checked: {complaint}")


def _program(name: str, version: Callable[[], str]) -> Finding:
    try:
        return Finding(OK, name, version())
    except KernelError as error:
        return Finding(FAULT, name, str(error))


def _privilege(root: Path) -> Finding:
    text = _read(root / "proc/self/status") or ""
    found = next((line.split()[1] for line in text.splitlines() if line.startswith("CapEff:")), "0")
    if int(found, 16) >> _CAP_NET_ADMIN & 1:
        return Finding(OK, "privilege", "CAP_NET_ADMIN")
    return Finding(
        FAULT, "privilege", "CAP_NET_ADMIN is missing: run noidlb as root, or give the service this capability"
    )


def _parts() -> Finding:
    try:
        missing = kernel.missing_parts()
    except KernelError as error:
        return Finding(FAULT, "kernel", str(error))
    if missing:
        return Finding(FAULT, "kernel", f"lacks {', '.join(missing)}: load with modprobe, or use a kernel that has it")
    return Finding(OK, "kernel", "has every expression and helper that the table uses")


def _table() -> Iterator[Finding]:
    try:
        found = kernel.read()
    except KernelError:
        # What is wrong with nft has been said.
        return
    if found is None:
        yield Finding(NOTE, "table", "is not in the kernel: nothing is balanced until noidlb apply")
    elif found.version == kernel.VERSION:
        yield Finding(OK, "table", f"version {found.version}")
    else:
        yield Finding(WARN, "table", "is of another version, or damaged: noidlb apply replaces it")


def _nat_helpers(farms: tuple[Farm, ...], root: Path) -> Iterator[Finding]:
    for name in modules.nat_helpers(farms) or ["nf_nat_ftp", "nf_nat_tftp"]:
        there = modules.is_there(name, root)
        if there:
            yield Finding(OK, name, "is loaded or built in")
        elif there is None:
            yield Finding(WARN, name, f"nothing tells whether the kernel has it: modprobe {name}, to be sure")
        elif farms:
            advice = f"modprobe {name}, and write the name into /etc/modules-load.d/noidlb.conf"
            yield Finding(FAULT, name, f"is not loaded, so data connections fail: noidlb apply tries, else {advice}")
        else:
            yield Finding(WARN, name, "is not loaded; noidlb apply loads it for a farm that needs it")


def _flow_list() -> Finding:
    try:
        return Finding(OK, "flows", f"{sum(conntrack.count().values())} flows of farms")
    except KernelError as error:
        return Finding(FAULT, "flows", str(error))


def _forwarding(farms: tuple[Farm, ...], root: Path) -> Iterator[Finding]:
    versions = {vip.version for farm in farms for vip in farm.vip}
    for version, name in ((4, "net.ipv4.ip_forward"), (6, "net.ipv6.conf.all.forwarding")):
        value = _read(root / "proc/sys" / name.replace(".", "/"))
        if value is not None and value.strip() != "0":
            yield Finding(OK, name, value.strip())
        else:
            found = "does not exist: the kernel has no such family" if value is None else f"is 0: sysctl -w {name}=1"
            yield Finding(FAULT if version in versions else WARN, name, found)


def _rp_filter(farms: tuple[Farm, ...], root: Path) -> Finding:
    # What holds for an interface is the larger of its own value and that of "all".
    folder = root / "proc/sys/net/ipv4/conf"
    values = {path.parent.name: (_read(path) or "").strip() for path in folder.glob("*/rp_filter")}
    strict = sorted(name for name, value in values.items() if value == "1" and name not in ("lo", "default"))
    if not strict or (values.get("all") == "2"):
        return Finding(OK, "rp_filter", "not strict")
    level = WARN if any(farm.mode is Mode.DNAT for farm in farms) else NOTE
    return Finding(
        level,
        "rp_filter",
        f"is strict (1) for {_some(strict)}: packets are dropped whose way back is another interface, which happens "
        "in dnat with more than one uplink; 2 is loose",
    )


def _tables(root: Path) -> Iterator[Finding]:
    folder = root / "proc/sys/net/netfilter"
    used, most = _number(folder / "nf_conntrack_count"), _number(folder / "nf_conntrack_max")
    if used is None or most is None:
        yield Finding(WARN, "nf_conntrack_max", "cannot be read: is nf_conntrack loaded?")
    else:
        share = used / most if most else 0
        level = FAULT if share >= 0.95 else WARN if share >= 0.7 else OK
        advice = "" if level == OK else ": raise net.netfilter.nf_conntrack_max, for a full table drops new clients"
        yield Finding(level, "nf_conntrack_max", f"{used} of {most} flows{advice}")
    expected = _number(folder / "nf_conntrack_expect_max")
    if expected is not None:
        few = expected < _EXPECTATIONS
        advice = f": at least {_EXPECTATIONS}, for unanswered TFTP requests hold one each" if few else ""
        yield Finding(WARN if few else OK, "nf_conntrack_expect_max", f"{expected}{advice}")


def _bridges(root: Path) -> Iterator[Finding]:
    called = [
        name
        for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")
        if (_read(root / "proc/sys/net/bridge" / name) or "").strip() == "1"
    ]
    has_bridge = any((root / "sys/class/net").glob("*/bridge"))
    if called and has_bridge:
        yield Finding(
            WARN,
            "bridges",
            f"{' and '.join(called)}: frames that are only bridged pass the farms too; set to 0 unless that is meant",
        )


def _loose(root: Path) -> Iterator[Finding]:
    value = (_read(root / "sys/module/nf_conntrack_ftp/parameters/loose") or "").strip()
    if value in ("Y", "1"):
        yield Finding(
            WARN, "nf_conntrack_ftp", "loose is on: a server may send clients to other hosts; load it with loose=0"
        )


def _other_chains(root: Path) -> Iterator[Finding]:
    try:
        chains = kernel.other_chains()
    except KernelError:
        return
    for chain in chains:
        yield from _judge(chain)
    legacy = _read(root / "proc/net/ip_tables_names") or ""
    if "nat" in legacy.split():
        yield Finding(
            NOTE, "iptables", "its legacy nat table is in use: rules for a VIP there would compete with its farm"
        )


def _judge(chain: BaseChain) -> Iterator[Finding]:
    where = f"table {chain.family} {chain.table}, chain {chain.name}"
    ours = {"prerouting": -100, "output": -100, "postrouting": 100}
    if chain.type == "nat" and chain.hook in ours:
        order = (
            "at our priority: which comes first depends on who was loaded first"
            if chain.priority == ours[chain.hook]
            else "before our chains"
            if chain.priority < ours[chain.hook]
            else "after our chains"
        )
        level = NOTE if chain.priority > ours[chain.hook] else WARN
        yield Finding(level, "other NAT", f"{where} is {order}; it must leave VIPs and backends alone")
    if chain.type == "filter" and chain.hook == "forward" and chain.policy == "drop":
        yield Finding(
            NOTE,
            "firewall",
            f"{where} drops what it does not accept: it needs 'ct state established,related accept' and "
            "'ct status dnat accept'",
        )


def _vips(farms: tuple[Farm, ...]) -> Iterator[Finding]:
    wanted = {address for farm in farms for address in (*farm.vip, *farm.source)}
    if not wanted:
        return
    absent = [str(one) for one in sorted(wanted, key=lambda one: (one.version, int(one))) if source_of(one) != str(one)]
    if absent:
        yield Finding(
            WARN,
            "VIPs",
            f"{_some(absent)}: on no interface of this machine, so nobody answers for it unless the network routes it "
            "here; ip address add it, or let keepalived do so",
        )
    else:
        yield Finding(OK, "VIPs", "all are addresses of this machine")


def _backends(farms: tuple[Farm, ...]) -> Iterator[Finding]:
    wanted = {address for farm in farms for one in farm.backends for address in one.address}
    if not wanted:
        return
    sources = {one: source_of(one) for one in sorted(wanted, key=lambda one: (one.version, int(one)))}
    cut_off = [str(one) for one, source in sources.items() if source is None]
    own = [str(one) for one, source in sources.items() if source == str(one)]
    if cut_off:
        yield Finding(FAULT, "backends", f"{_some(cut_off)}: no route leads there")
    if own:
        yield Finding(
            WARN, "backends", f"{_some(own)}: this machine itself; farms in mode dnat cannot be tested from here"
        )
    if not cut_off and not own:
        yield Finding(OK, "backends", "a route leads to every one")
    direct = sorted(farm.name for farm in farms if farm.mode is Mode.DNAT)
    if direct:
        yield Finding(
            NOTE,
            "return routes",
            f"{_some(direct)}: in mode dnat, backends must answer clients through this machine (their default route), "
            "and clients must not stand in a backend's own network; only the backends can tell",
        )


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = (_read(path) or "").strip()
    return int(text) if text.isdecimal() else None
