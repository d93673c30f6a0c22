"""Reduces nft text to its shape, so that the text that was loaded and the text that nft lists can be compared.

nft prints a rule differently from how it was written, and each version of nft differently again. The shape keeps what
all of them print: the number and order of a chain's rules, the maps and chains that each names, and its actions; hook,
priority and policy of a base chain; flags and sizes of maps; helpers and timeouts. It drops expressions and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

# Kind and name, such as "chain nat4", to the reduced lines.
Shape: TypeAlias = Mapping[str, tuple[tuple[str, ...], ...]]

_OPENING = re.compile(r"(chain|map|set|ct helper|ct timeout) (\S+) \{")
_WORDS = re.compile(r'@[\w-]+|"[^"]*"|[\w-]+')
_KEPT = frozenset(("jump", "goto", "return", "accept", "drop", "reject", "masquerade", "snat", "dnat", "redirect"))
_KEPT |= {"tproxy", "notrack", "counter", "log", "limit", "quota", "queue", "dup", "fwd", "synproxy", "flow"}
_KEPT |= {"update", "add", "delete", "helper", "set", "map", "vmap", "numgen", "jhash", "symhash"}
# The word behind these, a chain's name, is kept too.
_NAMED = frozenset(("jump", "goto"))
_HOOK = re.compile(r"type (\w+) hook (\w+)( device [^;]*)? priority ([^;]+);(?: policy (\w+);)?")
_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
# As nft prints them on a machine without /etc/protocols, which minimal systems lack.
_PROTOCOLS = {"6": "tcp", "17": "udp"}
_FLAGS = re.compile(r"flags ([\w,]+)|size (\d+)")


def shape_of(text: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Returns the shape of a table, or of parts of it, from nft text of one statement a line."""
    found: dict[str, list[tuple[str, ...]]] = {}
    kind = name = ""
    for line in map(str.strip, text.splitlines()):
        if not name and (opening := _OPENING.match(line)):
            kind, name, line = opening[1], f"{opening[1]} {opening[2]}", line[opening.end() :]
            found.setdefault(name, [])
            is_over = line.endswith("}")
        else:
            is_over = line == "}"
        if name and (rest := line.removesuffix("}").strip() if is_over else line):
            found[name] += [_rule(rest)] if kind == "chain" else _declared(kind, rest)
        if is_over:
            name = ""
    return {name: tuple(rules) if name.startswith("chain") else tuple(sorted(rules)) for name, rules in found.items()}


def _rule(line: str) -> tuple[str, ...]:
    if hook := _HOOK.match(line):
        return "hook", hook[1], hook[2], hook[3] or "", str(_priority(hook[4])), hook[5] or "accept"
    words = _WORDS.findall(line)
    kept = []
    for number, word in enumerate(words):
        if word in _KEPT or word[0] in '@"' or (number and words[number - 1] in _NAMED):
            kept.append(word)
    return tuple(kept) or ("match",)


def _priority(text: str) -> int | str:
    name, sign, offset = (*re.split(r" ([+-]) ", text.strip(), maxsplit=1), "+", "0")[:3]
    try:
        base = _PRIORITIES[name] if name in _PRIORITIES else int(name)
        return base + int(offset) * (-1 if sign == "-" else 1)
    except ValueError:
        return text


def _declared(kind: str, line: str) -> list[tuple[str, ...]]:
    if kind == "ct helper":
        found = re.finditer(r'type "(\w+)" protocol (\w+)', line)
        return [(one[1], _PROTOCOLS.get(one[2], one[2])) for one in found]
    if kind == "ct timeout":
        # Some versions of nft print the unit, too.
        return [(found[1],) for found in re.finditer(r"unreplied : (\d+)", line)]
    # Some versions of nft do not print the flag dynamic.
    return [tuple(sorted(set((found[1] or found[2]).split(",")) - {"dynamic"})) for found in _FLAGS.finditer(line)]
