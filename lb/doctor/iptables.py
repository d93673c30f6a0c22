"""Runs iptables-save, as the only file that does: nft lists some targets of iptables-nft without their options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..nft.run import KernelError, find, run

_TIMEOUT = 10.0
_TABLE = re.compile(r"table (\S+) (\S+) \{")
_CHAIN = re.compile(r"\tchain (\S+) \{")
_CT_TARGET = re.compile(r'xt target "?CT"?')
_CT_ZONE = re.compile(r"--zone(?:-orig|-reply)? (\w+)")


def saved() -> dict[str, str]:
    """Returns iptables-save's listing of table raw by nft family; {} when iptables is not installed."""
    found = {}
    for family, name in (("ip", "iptables-nft-save"), ("ip6", "ip6tables-nft-save")):
        try:
            found[family] = run([find(name, "iptables"), "-t", "raw"], timeout=_TIMEOUT).output.decode(errors="replace")
        except KernelError:
            continue
    return found


def with_targets(text: str, rules: Mapping[str, str]) -> str:
    """Replaces each `xt target CT` in nft's listing by what the target does; rules come from saved()."""
    family = chain = ""
    targets: dict[tuple[str, str], Iterator[str]] = {}
    lines = []
    for line in text.splitlines():
        if begins := _TABLE.match(line):
            family = begins[1] if begins[2] == "raw" else ""
        elif begins := _CHAIN.match(line):
            chain = begins[1]
        elif (found := _CT_TARGET.search(line)) and family in rules:
            known = targets.setdefault((family, chain), _targets_of(rules[family], chain))
            line = f"{line[: found.start()]}{next(known, found[0])}{line[found.end() :]}"
        lines.append(line)
    return "\n".join(lines)


def _targets_of(rules: str, chain: str) -> Iterator[str]:
    for line in rules.splitlines():
        rule, _, options = line.partition(" -j CT ")
        if rule.startswith(f"-A {chain} ") and options and "--notrack" not in options:
            zone = _CT_ZONE.search(options)
            # Other options, such as a helper, do not matter here.
            yield f"ct zone set {zone[1]}" if zone else "continue"
