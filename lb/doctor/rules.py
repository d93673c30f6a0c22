"""Parses nft's listing of all tables into clauses, so that a packet can be led through them.

It reads text instead of JSON, because nft translates rules of iptables-nft (docker, ufw and others) only in text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

_TABLE = re.compile(r"table (\S+) (\S+) \{")
_CHAIN = re.compile(r"\tchain (\S+) \{")
_HOOK = re.compile(
    r"\t\ttype (\S+) hook (\S+)(?: devices? (?:=? ?\{ ?)?(.*?)(?: ?\})?)? priority (-?\d+);(?: policy (\w+);)?"
)
_TOKEN = re.compile(r'"[^"]*"|[{}]|[^\s{}"]+')
VERDICTS = frozenset({"accept", "drop", "reject", "return", "jump", "goto", "queue", "continue"})
# The first words of an expression, the longest first, to the field of the packet that it reads.
_FIELDS: dict[tuple[str, ...], str] = {
    ("ct", "original", "ip", "daddr"): "original-daddr",
    ("ct", "original", "ip6", "daddr"): "original-daddr",
    # nft lists it so for iptables' --ctorigdst.
    ("ct", "original", "daddr"): "original-daddr",
    ("ct", "original", "proto-dst"): "original-dport",
    ("meta", "l4proto"): "l4proto",
    ("meta", "nfproto"): "nfproto",
    ("meta", "protocol"): "nfproto",
    ("meta", "mark"): "mark",
    ("meta", "iifname"): "iif",
    ("meta", "oifname"): "oif",
    ("ip", "protocol"): "l4proto",
    ("ip6", "nexthdr"): "l4proto",
    ("ip", "saddr"): "saddr",
    ("ip", "daddr"): "daddr",
    ("ip6", "saddr"): "saddr",
    ("ip6", "daddr"): "daddr",
    ("icmp", "type"): "icmp",
    ("icmpv6", "type"): "icmp",
    ("ct", "state"): "state",
    ("ct", "status"): "status",
    ("ct", "mark"): "ct mark",
    ("ct", "direction"): "direction",
    **{(protocol, f"{end}port"): f"{end}port" for protocol in ("tcp", "udp", "th") for end in "sd"},
    ("iifname",): "iif",
    ("oifname",): "oif",
    ("iif",): "iif",
    ("oif",): "oif",
}
_OF_IPTABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
_OPERATORS = frozenset({"==", "!=", "<", ">", "<=", ">="})
# Words that begin the next statement behind a match.
_STARTS = frozenset({"counter", "log", "comment", "limit", "notrack", "meta", "ct", "ip", "ip6", "tcp", "udp", "th"})


@dataclass(frozen=True, slots=True)
class Match:
    """A comparison of one field, or of several concatenated ones, with any of the values.

    mask is applied to the field first ("ct mark & 0xff", "ct status dnat / snat,dnat"); "" for none.
    """

    fields: tuple[str, ...]
    # The protocols of the fields, such as ip or tcp: packets of others do not match, whatever the operator.
    protocols: frozenset[str]
    operator: str
    values: tuple[str, ...]
    mask: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An expression that only the kernel can decide: elements of a set, a limit, an extension of iptables."""

    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict; target is the chain of a jump or goto."""

    kind: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """A verdict by the value of fields; verdicts is empty for a named map, whose elements are not listed."""

    fields: tuple[str, ...]
    protocols: frozenset[str]
    verdicts: tuple[tuple[str, Verdict], ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """An action on the packet or its connection, such as "notrack" or "ct mark set", and its operands."""

    name: str
    words: tuple[str, ...] = ()


Clause: TypeAlias = Match | Unknown | Verdict | VerdictMap | Effect


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: nft's text, and its clauses."""

    text: str
    clauses: tuple[Clause, ...]


@dataclass(slots=True)
class Chain:
    """A chain; base chains have a hook, type and priority."""

    family: str
    table: str
    name: str
    type: str = ""
    hook: str = ""
    priority: int = 0
    policy: str = "accept"
    # Of the hooks ingress and egress: the interfaces whose packets it sees.
    devices: frozenset[str] = frozenset()
    rules: list[Rule] = field(default_factory=list)
    # All chains of its table by name, for jump and goto.
    siblings: Mapping[str, Chain] = field(default_factory=dict, repr=False)

    @property
    def is_of_iptables(self) -> bool:
        """Whether the chain belongs to iptables-nft, whose masks apply to both the packet's and connection's mark."""
        return self.family in ("ip", "ip6") and self.table in _OF_IPTABLES and self.name.isupper()

    def __str__(self) -> str:
        return f"table {self.family} {self.table}, chain {self.name}"


def parse_ruleset(text: str) -> list[Chain]:
    """Parses the output of `nft -t -y list ruleset`: all chains of tables that are not dormant."""
    found: list[Chain] = []
    dormant: set[tuple[str, str]] = set()
    family = table = ""
    siblings: dict[str, Chain] = {}
    chain: Chain | None = None
    for line in text.splitlines():
        if begins := _TABLE.match(line):
            family, table, siblings, chain = begins[1], begins[2], {}, None
        elif begins := _CHAIN.match(line):
            chain = Chain(family, table, begins[1], siblings=siblings)
            siblings[chain.name] = chain
            found.append(chain)
        elif line.startswith("\tflags dormant"):
            dormant.add((family, table))
        elif line == "\t}":
            chain = None
        elif chain is not None and (hook := _HOOK.match(line)):
            chain.type, chain.hook = hook[1], hook[2]
            chain.devices = frozenset(one.strip(' "') for one in hook[3].split(",")) if hook[3] else frozenset()
            chain.priority, chain.policy = int(hook[4]), hook[5] or "accept"
        elif chain is not None and line.startswith("\t\t") and not line.startswith(("\t\tcomment ", "\t\tflags ")):
            chain.rules.append(Rule(line.strip(), tuple(_clauses(_TOKEN.findall(line)))))
    return [one for one in found if (one.family, one.table) not in dormant]


def _clauses(tokens: Sequence[str]) -> Iterator[Clause]:
    at = 0
    while at < len(tokens):
        word = tokens[at]
        if word in VERDICTS:
            target = tokens[at + 1] if word in ("jump", "goto") and at + 1 < len(tokens) else ""
            yield Verdict(word, target)
            # The rest is an option of reject, or a comment.
            return
        if word in ("dnat", "redirect"):
            yield Effect(word)
            # The kernel evaluates no further nat chain after it.
            yield Verdict("accept")
            return
        if word in ("comment", "counter", "log"):
            at = _skip(tokens, at)
        elif word == "notrack":
            yield Effect("notrack")
            at += 1
        elif tokens[at + 1 : at + 2] == ["set"] or tokens[at + 2 : at + 3] == ["set"]:
            end = _end_of_expression(tokens, at)
            length = 2 if tokens[at + 1] == "set" else 3
            yield Effect(" ".join(tokens[at : at + length]), tuple(tokens[at + length : end]))
            at = end
        elif word == "ct" and "set" in tokens[at + 2 : at + 4]:
            # ct original zone set 1
            end = _end_of_expression(tokens, at)
            yield Effect(f"ct {tokens[at + 2]} set", tuple(tokens[at + 4 : end]))
            at = end
        elif tokens[at : at + 3] == ["xt", "target", '"CT"'] or tokens[at : at + 3] == ["xt", "target", "CT"]:
            yield Effect("xt target CT")
            at += 3
        else:
            clause, at = _expression(tokens, at)
            yield clause


def _skip(tokens: Sequence[str], at: int) -> int:
    if tokens[at] == "counter":
        return at + (5 if tokens[at + 1 : at + 2] == ["packets"] else 3 if tokens[at + 1 : at + 2] == ["name"] else 1)
    if tokens[at] == "comment":
        return at + 2
    at += 1
    while at + 1 < len(tokens) and tokens[at] in ("prefix", "level", "group", "snaplen", "queue-threshold", "flags"):
        at += 2
    return at


def _field(tokens: Sequence[str], at: int) -> tuple[str, frozenset[str], int]:
    for length in (4, 3, 2, 1):
        words = tuple(tokens[at : at + length])
        if len(words) == length and words in _FIELDS:
            return _FIELDS[words], frozenset({"ip", "ip6", "tcp", "udp"} & set(words)), at + length
    return "", frozenset(), at


def _expression(tokens: Sequence[str], at: int) -> tuple[Clause, int]:
    begin = at
    names: list[str] = []
    protocols: frozenset[str] = frozenset()
    while True:
        name, needs, at = _field(tokens, at)
        if not name or at >= len(tokens):
            return _unknown(tokens, begin)
        names.append(name)
        protocols |= needs
        if tokens[at] != ".":
            break
        at += 1
    mask = ""
    if tokens[at] in ("&", "and") and at + 2 < len(tokens):
        mask, at = tokens[at + 1], at + 2
    if tokens[at] == "vmap":
        return _verdict_map(tuple(names), protocols, tokens, at + 1, known=not mask)
    operator = "=="
    if tokens[at] in _OPERATORS:
        operator, at = tokens[at], at + 1
    if at >= len(tokens) or tokens[at].startswith(("@", "$")):
        return Unknown(" ".join(tokens[begin : at + 1])), at + 1
    values, at = _values(tokens, at)
    if tokens[at : at + 1] == ["/"] and at + 1 < len(tokens):
        mask, at = tokens[at + 1], at + 2
    return Match(tuple(names), protocols, operator, values, mask), at


def _values(tokens: Sequence[str], at: int) -> tuple[tuple[str, ...], int]:
    """Reads one value, a concatenation, or a set in braces."""
    if tokens[at] == "{":
        end = _closing(tokens, at)
        inside = " ".join(tokens[at + 1 : end])
        return tuple(one.strip() for one in inside.split(",") if one.strip()), end + 1
    words = [tokens[at]]
    at += 1
    while tokens[at : at + 1] == ["."] and at + 1 < len(tokens):
        words.append(tokens[at + 1])
        at += 2
    return (" . ".join(words),), at


def _verdict_map(
    fields: tuple[str, ...], protocols: frozenset[str], tokens: Sequence[str], at: int, *, known: bool
) -> tuple[Clause, int]:
    if tokens[at : at + 1] != ["{"]:
        return VerdictMap(fields, protocols, ()), at + 1
    end = _closing(tokens, at)
    verdicts = []
    for element in " ".join(tokens[at + 1 : end]).split(","):
        value, _, verdict = element.rpartition(" : ")
        kind, _, target = verdict.strip().partition(" ")
        verdicts.append((value.strip() if known else "", Verdict(kind, target)))
    return VerdictMap(fields, protocols, tuple(verdicts)), end + 1


def _closing(tokens: Sequence[str], at: int) -> int:
    depth = 0
    for number in range(at, len(tokens)):
        depth += (tokens[number] == "{") - (tokens[number] == "}")
        if not depth:
            return number
    return len(tokens)


def _unknown(tokens: Sequence[str], at: int) -> tuple[Unknown, int]:
    """Collects all words up to the next known expression or statement."""
    end = at + 1
    while end < len(tokens) and not _begins(tokens, end):
        end = _closing(tokens, end) + 1 if tokens[end] == "{" else end + 1
    return Unknown(" ".join(tokens[at:end])), end


def _begins(tokens: Sequence[str], at: int) -> bool:
    return tokens[at] in VERDICTS or tokens[at] in _STARTS or bool(_field(tokens, at)[0])


def _end_of_expression(tokens: Sequence[str], at: int) -> int:
    """Returns the end of the value of a `set` statement: a verdict, counter, log, comment, or the end of the rule."""
    end = at + 1
    while end < len(tokens) and tokens[end] not in VERDICTS and tokens[end] not in ("counter", "comment", "log"):
        end = _closing(tokens, end) + 1 if tokens[end] == "{" else end + 1
    return end
