from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest
from noidlb.doctor import routes
from noidlb.doctor.finding import Finding
from noidlb.doctor.machine import examine
from noidlb.farm import Farm, Mode, Protocol
from noidlb.nft import host as modules, nft as kernel
from noidlb.nft.run import KernelError
from noidlb.nft.skeleton import VERSION
from noidlb.nft.table import Snapshot

from tests.support.lb.farms import backend, farm
from tests.support.lb.programs import Played

HEALTHY = {
    "proc/self/status": "Name:\tpython\nCapEff:\t000001ffffffffff\n",
    "proc/sys/net/ipv4/ip_forward": "1\n",
    "proc/sys/net/ipv6/conf/all/forwarding": "1\n",
    "proc/sys/net/ipv4/conf/all/rp_filter": "0\n",
    "proc/sys/net/ipv4/conf/eth0/rp_filter": "2\n",
    "proc/sys/net/netfilter/nf_conntrack_count": "5\n",
    "proc/sys/net/netfilter/nf_conntrack_max": "262144\n",
    "proc/sys/net/netfilter/nf_conntrack_expect_max": "4096\n",
    "proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
    "sys/module/nf_conntrack_ftp/parameters/loose": "N\n",
    "sys/module/nf_nat_ftp/refcnt": "1\n",
    "sys/module/nf_nat_tftp/refcnt": "1\n",
}
Examine = Callable[..., list[Finding]]


@pytest.fixture
def look(tmp_path: Path, nft: Played, conntrack: Played, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """Examines a healthy machine in which some files are otherwise; None removes one."""
    nft.answer("--version", out="nftables v1.0.6 (Lester Gooch #5)\n")
    conntrack.answer("--version", out="conntrack v1.4.7 (conntrack-tools)\n")
    monkeypatch.setattr(kernel, "read", lambda: Snapshot(VERSION))
    monkeypatch.setattr(kernel, "ruleset", str)
    monkeypatch.setattr(routes, "local_addresses", list)
    monkeypatch.setattr(routes, "interfaces_to", lambda addresses: dict.fromkeys(addresses, "eth1"))
    monkeypatch.setattr(routes, "default_interface", lambda version: "eth0")
    # Everything can be reached, and the VIPs are ours.
    monkeypatch.setattr(modules, "source_of", lambda one: "x")
    monkeypatch.setattr(modules, "is_here", lambda one: ".0.100" in str(one) or "::100" in str(one))

    def examined(*farms: Farm, in_pair: bool = False, **changes: str | None) -> list[Finding]:
        files = {**HEALTHY, **{name.replace("__", "-"): text for name, text in changes.items()}}
        for name, text in files.items():
            if text is not None:
                path = tmp_path / "root" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return list(examine(farms, tmp_path / "root", in_pair=in_pair))

    return examined


def bad(findings: list[Finding], *levels: str) -> list[str]:
    return [str(one) for one in findings if one.level in (levels or ("note", "warn", "fault"))]


FTP = farm("ftp")
BOTH = (FTP, farm("tftp", protocol=Protocol.TFTP))


def test_a_healthy_machine(look: Examine) -> None:
    findings = look(*BOTH)
    assert bad(findings) == []
    assert str(findings[0]) == "ok     nft: nftables v1.0.6 (Lester Gooch #5)"
    assert str(findings[1]) == "ok     conntrack: conntrack v1.4.7 (conntrack-tools)"
    assert bad(look()) == []


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("proc/self/status", "CapEff:\t0000000000000fff\n", "fault  privilege: CAP_NET_ADMIN is missing"),
        ("proc/sys/net/ipv4/ip_forward", "0\n", "fault  net.ipv4.ip_forward: is 0: sysctl -w net.ipv4.ip_forward=1"),
        ("proc/sys/net/ipv6/conf/all/forwarding", None, "fault  net.ipv6.conf.all.forwarding: does not exist"),
        ("proc/sys/net/ipv4/conf/all/rp_filter", "1\n", "note   rp_filter: is strict (1) for all"),
        ("proc/sys/net/ipv4/conf/eth1/rp_filter", "1\n", "note   rp_filter: is strict (1) for eth1"),
        (
            "proc/sys/net/netfilter/nf_conntrack_count",
            "200000\n",
            "warn   nf_conntrack_max: 200000 of 262144 flows: raise",
        ),
        ("proc/sys/net/netfilter/nf_conntrack_count", "262144\n", "fault  nf_conntrack_max: 262144 of 262144 flows"),
        ("proc/sys/net/netfilter/nf_conntrack_max", None, "warn   nf_conntrack_max: cannot be read"),
        ("proc/sys/net/netfilter/nf_conntrack_expect_max", "64\n", "warn   nf_conntrack_expect_max: 64: at least 4096"),
        ("sys/class/net/br0/bridge/bridge_id", "x", "warn   bridges: bridge-nf-call-iptables: bridged frames"),
        ("sys/module/nf_conntrack_ftp/parameters/loose", "Y\n", "warn   nf_conntrack_ftp: loose is on"),
        (
            "proc/net/ip_tables_names",
            "filter\nnat\n",
            "note   iptables: iptables-legacy has tables in use (filter, nat), which nft does not list; rules for",
        ),
        ("proc/net/ip6_tables_names", "raw\n", "note   iptables: ip6tables-legacy has tables in use (raw)"),
    ],
)
def test_what_is_wrong_is_said(look: Examine, file: str, text: str | None, line: str) -> None:
    (found,) = bad(look(*BOTH, **{file: text}))
    assert found.startswith(line)


def test_the_interface_on_which_packets_arrive_decides_whether_they_are_forwarded(look: Examine) -> None:
    """As systemd-networkd sets it, for single interfaces."""
    conf = {name: f"proc/sys/net/ipv4/conf/{name}/forwarding" for name in ("eth0", "eth1", "eth2", "lo", "all")}
    some = {conf["eth0"]: "1", conf["eth1"]: "1", **dict.fromkeys((conf["eth2"], conf["lo"], conf["all"]), "0")}
    off = {"proc/sys/net/ipv4/ip_forward": "0"}
    assert bad(look(*BOTH, **some, **off)) == []
    (found,) = bad(look(*BOTH, **{**some, conf["eth1"]: "0"}))
    assert found == (
        "fault  net.ipv4.conf.eth1.forwarding: is 0, so answers of backends that arrive on it are dropped, of farms "
        "ftp, tftp: sysctl -w net/ipv4/conf/eth1/forwarding=1, and have what configures the interface keep it"
    )
    # Clients may arrive elsewhere.
    (found,) = bad(look(*BOTH, **{**some, conf["eth0"]: "0"}))
    assert found.startswith("warn   net.ipv4.conf.eth0.forwarding: is 0, so packets of clients that arrive on it")
    (found,) = bad(look(*BOTH, **dict.fromkeys(some, "0"), **off))
    assert found.startswith("fault  net.ipv4.ip_forward: is 0")
    # In IPv6 the interface's value does not matter.
    six = farm("six", vip=(ip_address("fd00:10::100"),))
    assert bad(look(six, **{**some, conf["eth1"]: "0"})) == []


def test_only_farms_with_data_connections_need_room_for_expectations(look: Examine) -> None:
    """With 4 GB of memory or less the kernel's default is 256."""
    few = {"proc/sys/net/netfilter/nf_conntrack_expect_max": "256\n"}
    assert bad(look(farm("sftp", protocol=Protocol.SFTP), **few)) == []
    for farms in (BOTH, (FTP,), ()):
        assert [one.partition(":")[0] for one in bad(look(*farms, **few))] == ["warn   nf_conntrack_expect_max"]


def test_strict_reverse_paths_matter_more_in_dnat(look: Examine) -> None:
    direct = farm("direct", mode=Mode.DNAT)
    found = bad(look(direct, **{"proc/sys/net/ipv4/conf/eth0/rp_filter": "1"}))
    assert found[0].startswith("warn   rp_filter: is strict (1) for eth0")
    assert found[1].startswith("note   return routes: direct: in mode dnat, backends must answer")


def test_a_family_that_no_farm_has_need_not_be_forwarded(look: Examine) -> None:
    v4 = farm("v4", vip=(ip_address("10.10.0.100"),))
    (found,) = bad(look(v4, **{"proc/sys/net/ipv6/conf/all/forwarding": "0"}))
    assert found.startswith("warn   net.ipv6.conf.all.forwarding: is 0")


def test_missing_programs_are_faults(look: Examine, path: Path) -> None:
    (path / "nft").unlink()
    (path / "conntrack").unlink()
    assert bad(look(FTP), "fault") == [
        "fault  nft: the program nft is missing: install the package nftables",
        "fault  conntrack: the program conntrack is missing: install the package conntrack",
        "fault  kernel: the program nft is missing: install the package nftables",
        "fault  flows: the program conntrack is missing: install the package conntrack",
    ]


def test_missing_parts_are_faults(look: Examine, nft: Played) -> None:
    nft.answer("-c", err="Error: Could not process rule: No such file or directory\n", code=1, times=3)
    (found,) = bad(look(FTP))
    assert found == "fault  kernel: lacks nf_tables: load with modprobe, or use a kernel that has it"


@pytest.mark.parametrize(
    ("snapshot", "line"),
    [
        (None, "note   table: is not in the kernel: nothing is balanced: noidlb apply"),
        (Snapshot(1), "warn   table: is of another version: noidlb apply replaces it"),
        (Snapshot(None, damage="chain nat4 was changed"), "fault  table: is damaged: chain nat4 was changed: noidlb"),
    ],
)
def test_the_table(look: Examine, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot | None, line: str) -> None:
    monkeypatch.setattr(kernel, "read", lambda: snapshot)
    (found,) = bad(look(FTP))
    assert found.startswith(line)


def base(**changes: object) -> str:
    values = {"family": "ip", "type": "nat", "hook": "prerouting", "priority": -100, **changes}
    head = "type {type} hook {hook} priority {priority}; policy accept;".format(**values)
    return f"table {values['family']} t {{\n\tchain c {{\n\t\t{head}\n\t}}\n}}\n"


@pytest.mark.parametrize("other", [base(hook="forward", type="filter"), base(hook="input", type="nat")])
def test_chains_that_do_not_matter(look: Examine, monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    monkeypatch.setattr(kernel, "ruleset", lambda: other)
    assert bad(look(FTP)) == []


def test_a_firewall_that_turns_clients_away_is_a_fault(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    text = base(family="inet", hook="forward", type="filter", priority=10).replace("policy accept", "policy drop")
    monkeypatch.setattr(kernel, "ruleset", lambda: text)
    (found,) = bad(look(FTP), "fault")
    assert found.startswith("fault  firewall: table inet t, chain c: its policy drop in the hook forward turns away")
    assert look() == look()
    assert bad(look()) == []


def test_a_chain_of_a_port_sees_the_packets_of_its_bridge(
    look: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = base(family="netdev", hook='ingress device "eth9"', type="filter").replace("policy accept", "policy drop")
    monkeypatch.setattr(kernel, "ruleset", lambda: text)
    monkeypatch.setattr(routes, "default_interface", lambda version: "br0")
    monkeypatch.setattr(routes, "interfaces_to", lambda addresses: dict.fromkeys(addresses, "inside"))
    assert bad(look(FTP), "fault") == []
    for name in ("eth9/upper_bond0", "bond0/upper_br0"):
        (tmp_path / "root/sys/class/net" / name).mkdir(parents=True)
    (found,) = bad(look(FTP), "fault")
    assert (
        "turns away new connections, established connections, passive data connections and answers of clients" in found
    )


def test_trouble_with_nft_is_said_once(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KernelError("no")

    monkeypatch.setattr(kernel, "read", fail)
    monkeypatch.setattr(kernel, "ruleset", fail)
    monkeypatch.setattr(kernel, "missing_parts", fail)
    assert bad(look(FTP)) == ["fault  kernel: no"]


def test_a_table_and_rules_that_cannot_be_read_are_said(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KernelError("no")

    monkeypatch.setattr(kernel, "read", fail)
    monkeypatch.setattr(kernel, "ruleset", fail)
    assert bad(look(FTP)) == [
        "fault  table: cannot be read: no",
        "warn   firewall: is not examined: the rules cannot be read: no",
    ]


def test_addresses(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "source_of", lambda one: None if str(one) == "10.20.1.2" else "10.0.0.1")
    monkeypatch.setattr(modules, "is_here", lambda one: str(one) == "10.20.2.2")
    here = [routes.Local("eth0", ip_interface("10.10.0.1/24"))]
    monkeypatch.setattr(routes, "local_addresses", lambda: here)
    many = farm("many", 2, backends=(backend(1), backend(2), backend(3)))
    found = bad(look(many))
    assert found == [
        "fault  VIPs: 10.10.0.100: on no interface of this machine, so it does not answer clients: "
        "add it with ip address add, have keepalived add it, or route it to the device lo",
        "fault  backends: 10.20.1.2: no route leads there: add one with ip route add",
        "warn   backends: 10.20.2.2: this machine itself; farms in mode dnat cannot be tested from here",
    ]
    here.clear()
    # A router may send them here.
    assert bad(look(many))[0].startswith("warn   VIPs: 10.10.0.100, fd00:10::100: on no interface of this machine")


def test_an_address_that_no_vip_leads_to_needs_no_route(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "source_of", lambda one: None if one.version == 6 else "10.0.0.1")
    monkeypatch.setattr(modules, "is_here", lambda one: str(one) == "10.10.0.100")
    assert bad(look(farm("four", 1, vip=(ip_address("10.10.0.100"),)))) == []


def test_what_the_other_node_of_a_pair_has_needs_no_cure(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "is_here", lambda one: False)
    found = [one for one in look(FTP, in_pair=True) if one.subject == "VIPs"]
    assert [(one.level, one.cure) for one in found] == [("note", "")]
