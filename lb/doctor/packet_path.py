"""Leads a symbolic packet through the chains of a hook: which rule drops it, and which effects it meets before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .packet import Holds, Packet, any_of, holds, speaks
from .rules import Chain, Effect, Rule, Unknown, Verdict, VerdictMap

# nft refuses jumps nested deeper than 16.
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Drop:
    """The drop of a packet; rule is None when the chain's policy drops it.

    exceptions are the rules before it that may accept the packet, or lead it past this rule.
    """

    chain: Chain
    inside: Chain
    rule: Rule | None
    exceptions: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """An effect of a rule on the packet; is_certain is False when the rule only may match."""

    chain: Chain
    rule: Rule
    effect: Effect
    is_certain: bool


@dataclass(slots=True)
class Passage:
    """The drop and the effects that a packet meets in one base chain."""

    drop: Drop | None = None
    done: list[Done] = field(default_factory=list)


def lead(packet: Packet, chain: Chain) -> Passage:
    """Leads a packet through a base chain; a chain of other interfaces does not see it."""
    side = packet.oif if chain.hook == "egress" else packet.iif
    if chain.devices and isinstance(side, str) and not any(fnmatchcase(side, one) for one in chain.devices):
        return Passage()
    return _Walk(packet, chain).walk()


class _Walk:
    def __init__(self, packet: Packet, base: Chain) -> None:
        self._packet = packet
        self._base = base
        self._exceptions: list[Rule] = []
        # Rules that may return the packet from a chain that it is in, and so lead it past what follows there.
        self._returns: list[Rule] = []
        self._passage = Passage()

    def walk(self) -> Passage:
        verdict = self._chain(self._base, 0, Holds.YES)
        if verdict is None and self._base.policy == "drop":
            self._drop(self._base, None)
        return self._passage

    def _drop(self, inside: Chain, rule: Rule | None) -> None:
        self._passage.drop = Drop(self._base, inside, rule, (*self._exceptions, *self._returns))

    def _chain(self, chain: Chain, depth: int, comes: Holds) -> str | None:
        """Returns accept, drop, or None for a return; comes says whether the packet reaches this chain at all."""
        before = len(self._returns)
        steps = (step for rule in chain.rules for step in self._rule(chain, rule, depth, comes))
        outcome = next((outcome for ended, outcome in steps if ended), None)
        # Behind the chain it makes no difference which rule has returned the packet.
        del self._returns[before:]
        return outcome

    def _rule(self, chain: Chain, rule: Rule, depth: int, comes: Holds) -> Iterator[tuple[bool, str | None]]:
        """Yields for each verdict whether the packet's way through this chain ends there, and with which outcome."""
        found = Holds.YES
        for clause in rule.clauses:
            if isinstance(clause, Effect):
                self._passage.done.append(Done(self._base, rule, clause, min(found, comes) is Holds.YES))
            elif isinstance(clause, (Verdict, VerdictMap)):
                for verdict, holding in self._verdicts(clause, found):
                    yield self._verdict(chain, rule, verdict, depth, holding, comes)
            else:
                if isinstance(clause, Unknown) and " vmap " in clause.text:
                    self._exceptions.append(rule)
                found = min(found, holds(clause, self._packet))
                if found is Holds.NO:
                    return

    def _verdicts(self, clause: Verdict | VerdictMap, found: Holds) -> Iterator[tuple[Verdict, Holds]]:
        if isinstance(clause, Verdict):
            yield clause, found
        elif speaks(clause.protocols, self._packet):
            if not clause.verdicts:
                # A named map, whose elements are not listed.
                yield Verdict("accept"), Holds.MAYBE
            for value, verdict in clause.verdicts:
                holding = any_of(clause.fields, [value], self._packet) if value else Holds.MAYBE
                if (both := min(found, holding)) is not Holds.NO:
                    yield verdict, both

    def _verdict(
        self, chain: Chain, rule: Rule, verdict: Verdict, depth: int, found: Holds, comes: Holds
    ) -> tuple[bool, str | None]:
        is_sure = found is Holds.YES
        if verdict.kind in ("accept", "queue"):
            if min(found, comes) is not Holds.YES:
                self._exceptions.append(rule)
            return is_sure, "accept"
        if verdict.kind == "return":
            self._may_return(chain, rule, is_sure=is_sure)
            return is_sure, None
        if verdict.kind in ("drop", "reject"):
            # Otherwise the rule drops some clients only, such as those on a blocklist: that is intended.
            if is_sure and comes is Holds.YES:
                self._drop(chain, rule)
            return is_sure, "drop"
        if verdict.kind in ("jump", "goto") and depth < _DEEPEST and verdict.target in chain.siblings:
            outcome = self._chain(chain.siblings[verdict.target], depth + 1, min(found, comes))
            if verdict.kind == "goto" and outcome is None:
                # Behind the other chain the packet does not come back to this one.
                self._may_return(chain, rule, is_sure=is_sure)
            return is_sure and (outcome is not None or verdict.kind == "goto"), outcome
        return False, None

    def _may_return(self, chain: Chain, rule: Rule, *, is_sure: bool) -> None:
        # A return from a base chain leads to its policy, and is no exception if that drops the packet too.
        if not is_sure and not (chain is self._base and chain.policy == "drop"):
            self._returns.append(rule)
