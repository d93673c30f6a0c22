"""Runs iptables-save, as the only file that does: nft lists some rules of iptables-nft incompletely."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from ..nft.run import KernelError, find, run

_TIMEOUT = 10.0
_TABLE = re.compile(r"table (\S+) (\S+) \{")
_CHAIN = re.compile(r"\tchain (\S+) \{")
_CT_TARGET = re.compile(r'xt target "?CT"?')
_CT_ZONE = re.compile(r"--zone(?:-orig|-reply)? (\w+)")
_STATUS = re.compile(r"(?:ct state \S+ )?ct status [sd]nat\b")
_STATES = re.compile(r"(?<!! )--ctstate (\S+)")


def saved() -> dict[str, str]:
    """Returns iptables-save's listing by nft family; {} when iptables is not installed."""
    found = {}
    for family, name in (("ip", "iptables-nft-save"), ("ip6", "ip6tables-nft-save")):
        try:
            found[family] = run([find(name, "iptables")], timeout=_TIMEOUT).output.decode(errors="replace")
        except KernelError:
            continue
    return found


def completed(text: str, rules: Mapping[str, str]) -> str:
    """Returns nft's listing with what it leaves out of rules of iptables; rules come from saved().

    That are the options of the target CT, and all states but one of `--ctstate RELATED,ESTABLISHED,DNAT`.
    """
    known = {family: _by_chain(one) for family, one in rules.items()}
    here: list[str] = []
    family = table = ""
    lines = []
    for line in text.splitlines():
        if begins := _TABLE.match(line):
            family, table = begins[1], begins[2]
        elif begins := _CHAIN.match(line):
            here = known.get(family, {}).get((table, begins[1]), [])
        elif here and line.startswith("\t\t") and not line.startswith("\t\ttype "):
            lines += _alternatives(line, here.pop(0))
            continue
        lines.append(line)
    return "\n".join(lines)


def _by_chain(text: str) -> dict[tuple[str, str], list[str]]:
    found = defaultdict(list)
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            chain, _, rule = line[3:].partition(" ")
            found[table, chain].append(rule)
    return found


def _alternatives(line: str, rule: str) -> list[str]:
    """Returns the rules of nft that together do what one of iptables does."""
    if " -j CT " in f" {rule}":
        zone = _CT_ZONE.search(rule)
        # Other options, such as a helper, do not matter here.
        does = f"ct zone set {zone[1]}" if zone else "notrack" if "--notrack" in rule else "continue"
        return [_CT_TARGET.sub(does, line)]
    asked = _STATES.search(rule)
    if asked is None or not _STATUS.search(line):
        return [line]
    words = asked[1].lower().split(",")
    states = ",".join(one for one in words if one not in ("snat", "dnat"))
    ways = [f"ct state {states}"] * bool(states) + [f"ct status {one}" for one in ("snat", "dnat") if one in words]
    return [_STATUS.sub(one, line, count=1) for one in ways]
