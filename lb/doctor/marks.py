"""Finds rules of other programs that write or copy noidlb's bits of the conntrack mark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from .finding import FAULT, WARN, Finding
from .packet import Packet
from .packet_path import Done, lead
from .probe_packets import Way, packets
from .rules import Chain, Effect, Match, Rule

_ALL = 0xFFFF_FFFF
# nft lists the second form for rules of iptables-nft.
_PACKET_MARK = (("meta", "mark"), ("mark",))


def examine_marks(
    chains: Sequence[Chain], ways: Sequence[Sequence[Way]], mask: int, rules: Sequence[Mapping[str, object]] = ()
) -> Iterator[Finding]:
    """Yields a finding for each rule that changes or copies the bits of mask in marks of farms' connections.

    rules are those of policy routing from `ip -j rule`: a copied mark that none of them reads is only a warning. Every
    machine has some, so an empty list means that they could not be read.
    """
    is_unread = bool(rules) and not any(_reads(one, mask) for one in rules if "fwmark" in one)
    seen: set[int] = set()
    passing = (
        (packet, done)
        for chain, alike in product(chains, ways)
        for way in alike
        for packet in packets(way, chain)
        for done in lead(packet, chain).done
    )
    for packet, done in passing:
        finding = _judge(packet, done, mask, is_unread=is_unread)
        if finding is not None and id(done.rule) not in seen:
            seen.add(id(done.rule))
            yield finding


def bits_of(effect: Effect, *, of_iptables: bool) -> int:
    """Returns the bits of the connection's mark that an effect writes, or copies into the packet's mark."""
    words = [one.strip("()") for one in effect.words]
    if effect.name == "meta mark set":
        return _masked(words, 2) if words[:2] == ["ct", "mark"] else 0
    if effect.name != "ct mark set":
        return 0
    if words[:2] != ["ct", "mark"]:
        copied = next((len(one) for one in _PACKET_MARK if tuple(words[: len(one)]) == one), 0)
        # iptables applies its mask to both marks; nft's `and` clears the other bits of the result.
        return _masked(words, copied) if copied and of_iptables else _ALL
    changed = 0
    rest = words[2:]
    while len(rest) >= 2:
        operator, operand, *rest = rest
        try:
            number = int(operand, 0)
        except ValueError:
            return changed | _ALL if rest[:1] != ["mark"] else changed | _masked(rest, 1)
        changed |= ~number & _ALL if operator in ("&", "and") else number
    return changed


def _masked(words: Sequence[str], at: int) -> int:
    if words[at : at + 1] and words[at] in ("&", "and"):
        try:
            return int(words[at + 1], 0)
        except (ValueError, IndexError):
            return _ALL
    return _ALL


def _judge(packet: Packet, done: Done, mask: int, *, is_unread: bool) -> Finding | None:
    chain, effect = done.chain, done.effect
    of_iptables = chain.is_of_iptables
    touched = bits_of(effect, of_iptables=of_iptables) & mask
    if not touched:
        return None
    if effect.name == "ct mark set":
        if not packet.marked:
            # The table of the farms writes the farm's mark later.
            return None
        # A rule for packets with one certain mark, such as a tunnel's, hardly matches packets of clients.
        does, level = "overwrites", WARN if _asks_for_a_mark(done.rule) else FAULT
    elif packet.marked:
        does, level = "copies into the packet's mark", WARN if is_unread else FAULT
    else:
        return None
    shown = done.rule.text.replace("counter ", "")
    text = f"{chain}: the rule {shown!r} {does} bits {touched:#010x} of conntrack marks, which are the farms'"
    return Finding(level, "marks", text, _cure(chain, mask, of_iptables=of_iptables))


def _cure(chain: Chain, mask: int, *, of_iptables: bool) -> str:
    others = ~mask & _ALL
    if of_iptables:
        name = "ip6tables" if chain.family == "ip6" else "iptables"
        return (
            f"give it --nfmask {others:#x} --ctmask {others:#x}, or leave the farms out: {name} -t {chain.table} "
            f"-I {chain.name} -m connmark ! --mark 0/{mask:#x} -j ACCEPT; marks below [service] moves the farms' bits"
        )
    return (
        f"leave the farms out: nft 'insert rule {chain.family} {chain.table} {chain.name} ct mark and {mask:#x} != 0 "
        "accept'; marks below [service] moves the farms' bits"
    )


def _asks_for_a_mark(rule: Rule) -> bool:
    return any(isinstance(one, Match) and one.fields == ("mark",) and one.operator == "==" for one in rule.clauses)


def _reads(rule: Mapping[str, object], mask: int) -> bool:
    """Returns whether a policy routing rule reads any of these bits; one with `not` matches nearly all marks."""
    if "not" in rule:
        return False
    try:
        return bool(int(str(rule.get("fwmask", _ALL)), 0) & mask)
    except ValueError:
        return True
