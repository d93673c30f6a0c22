"""What doctor looks at."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from noidlb.doctor.finding import Finding
from noidlb.doctor.firewall import examine_firewall, ways_of
from noidlb.doctor.probe_packets import Way
from noidlb.doctor.rules import parse_ruleset
from noidlb.farm import Farm, Protocol

from tests.support.lb.farms import farm

_RULESETS = Path(__file__).parents[2] / "lb" / "rulesets"

V4 = (ip_address("10.10.0.100"),)

FTP = farm("ftp", 2, vip=V4)

TFTP = farm("tftp", 2, vip=V4, protocol=Protocol.TFTP)


def ways(*farms: Farm, clients: tuple[str | None, ...] = ("eth0",), local: bool = False) -> list[list[Way]]:
    backends = {address: "eth1" for one in farms for backend in one.backends for address in backend.address}
    sides = {vip: clients for one in farms for vip in one.vip}
    return ways_of(farms, backends, dict(sides), frozenset(backends) if local else frozenset())


def look(text: str, *farms: Farm, clients: tuple[str | None, ...] = ("eth0",)) -> list[Finding]:
    """Returns what is found in a listing of nft for some farms."""
    return list(examine_firewall(parse_ruleset(text), ways(*(farms or (FTP,)), clients=clients)))


def chain(*rules: str, hook: str = "forward", priority: int = 0, policy: str = "accept", family: str = "inet") -> str:
    """Lists the table `my` with a base chain `c` of these rules, and a chain `d` to jump to."""
    body = "".join(f"\t\t{rule}\n" for rule in rules)
    head = f"\t\ttype filter hook {hook} priority {priority}; policy {policy};\n"
    return f"table {family} my {{\n\tchain c {{\n{head}{body}\t}}\n\tchain d {{\n\t\ttcp dport 21 accept\n\t}}\n}}\n"


def recorded(name: str) -> str:
    """Returns the listing of a firewall program's rules."""
    return (_RULESETS / f"{name}.nft").read_text()
