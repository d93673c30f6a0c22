"""Finds rules of other programs that drop packets of a farm's connections or keep conntrack from following them.

Nothing is sent: for each way from a VIP to a backend, the packets that would pass (probe_packets.py) are led through
each base chain of the ruleset (packet_path.py). A rule's match holds, does not hold, or depends on the client
(packet.py). A drop that holds for every client is a fault; one behind an exception that may hold is a warning. The same
rule can be a fault for one farm and a warning for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product, zip_longest

from ..address import IPAddress
from ..config.mark_layout import layout_of
from ..farm import Farm
from .finding import FAULT, WARN, Finding, some
from .packet_path import Done, lead
from .probe_packets import ANSWERS, DSTNAT, NEW, PASSIVE, Way, packets
from .rules import Chain, Rule

# VIP, port and backend combinations that are examined; further ones hardly meet other rules.
_MOST_WAYS = 64
_SHOWN = 120
_TRACKED = "ct state established,related accept"
_TRANSLATED = "ct status dnat accept"
_STATES = "RELATED,ESTABLISHED,DNAT"


@dataclass(slots=True)
class _Hit:
    """A rule or policy, what it does, and the packets to which it does so."""

    chain: Chain
    inside: Chain
    rule: Rule | None
    name: str = ""
    exceptions: tuple[Rule, ...] = ()
    is_certain: bool = True
    whats: dict[str, None] = field(default_factory=dict)
    ways: dict[Way, None] = field(default_factory=dict)
    replies: bool = False
    requests: bool = False

    def add(self, way: Way, what: str, *, is_reply: bool) -> None:
        self.whats[what] = None
        self.ways[way] = None
        self.replies |= is_reply
        self.requests |= not is_reply


def ways_of(
    farms: Sequence[Farm],
    sides: dict[IPAddress, str],
    client_sides: dict[IPAddress, Sequence[str | None]],
    own: frozenset[IPAddress] = frozenset(),
) -> list[list[Way]]:
    """Returns the ways of the farms' connections, in groups that differ in the client's interface only.

    sides are the interfaces towards backends, client_sides those on which a VIP's clients may arrive; own are the
    backends on this machine. The farms take turns, so that the limit hides no farm behind a large one.
    """

    mask = layout_of(tuple(farms)).mask

    def each(farm: Farm) -> Iterator[list[Way]]:
        # All VIPs and ports of one backend before the next backend.
        for backend, vip, port in product(farm.backends, farm.vip, farm.ports):
            address = backend.address_of(vip.version)
            if address is not None:
                yield [
                    Way(
                        farm=farm,
                        vip=vip,
                        port=port,
                        backend=address,
                        backend_port=backend.port or port,
                        client_side=side,
                        backend_side=sides.get(address),
                        is_local=address in own,
                        mask=mask,
                    )
                    for side in client_sides.get(vip, (None,))
                ]

    taken = (alike for turn in zip_longest(*map(each, farms)) for alike in turn if alike is not None)
    return list(islice(taken, _MOST_WAYS))


def examine_firewall(chains: Sequence[Chain], ways: Sequence[Sequence[Way]]) -> Iterator[Finding]:
    """Yields a finding for each rule that stops packets of these ways or keeps them from conntrack."""
    drops: dict[tuple[int, int, str], _Hit] = {}
    effects: dict[tuple[int, str, bool], _Hit] = {}
    for chain, alike in product(chains, ways):
        _pass(chain, alike, drops, effects)
    for hit in _grouped(drops):
        yield _dropped(hit)
    for (rule, name, certain), hit in effects.items():
        if certain or (rule, name, True) not in effects:
            yield _done(hit)


def _pass(
    chain: Chain,
    alike: Sequence[Way],
    drops: dict[tuple[int, int, str], _Hit],
    effects: dict[tuple[int, str, bool], _Hit],
) -> None:
    for variants in zip(*(packets(way, chain) for way in alike), strict=True):
        passages = [lead(packet, chain) for packet in variants]
        ends = [one.drop for one in passages if one.drop is not None]
        if len(ends) == len(passages):
            # Dropped on every interface on which clients may arrive.
            sure = min(ends, key=lambda one: len(one.exceptions))
            certain = all(not one.exceptions for one in ends)
            made = _Hit(chain, sure.inside, sure.rule, exceptions=sure.exceptions, is_certain=False)
            hit = drops.setdefault((id(sure.chain), id(sure.rule), alike[0].farm.name), made)
            hit.is_certain |= certain
            hit.add(alike[0], variants[0].what, is_reply=variants[0].is_reply)
        for passage in passages:
            for done in passage.done:
                certain = done.is_certain
                # An uncertain effect is reported for new connections only; for later packets it depends on the client.
                if (name := _harm(done)) and (certain or variants[0].what == NEW):
                    certain &= name != _UNCLEAR
                    made = _Hit(chain, chain, done.rule, name=name, is_certain=certain)
                    hit = effects.setdefault((id(done.rule), name, certain), made)
                    hit.add(alike[0], variants[0].what, is_reply=variants[0].is_reply)


_NOTRACK, _ZONE = "are not tracked", "are put into another conntrack zone"
_UNCLEAR, _TAKEN = "get a target CT", "are led elsewhere"


def _harm(done: Done) -> str:
    if done.effect.name == "notrack":
        return _NOTRACK
    if done.effect.name.startswith("ct ") and "zone" in done.effect.name and done.effect.words != ("0",):
        return _ZONE
    if done.effect.name == "xt target CT":
        return _UNCLEAR
    return _TAKEN if done.effect.name in ("dnat", "redirect") else ""


def _grouped(drops: dict[tuple[int, int, str], _Hit]) -> Iterator[_Hit]:
    """Joins the farms for which a rule does the same."""
    found: dict[tuple[int, int, bool], _Hit] = {}
    for (chain, rule, _), hit in drops.items():
        first = found.setdefault((chain, rule, hit.is_certain), hit)
        first.whats |= hit.whats
        first.ways |= hit.ways
        first.replies |= hit.replies
        first.requests |= hit.requests
    yield from found.values()


def _dropped(hit: _Hit) -> Finding:
    by = f"its policy drop in the hook {hit.chain.hook}" if hit.rule is None else f"the rule {_shown(hit.rule)!r}"
    if hit.rule is not None and hit.inside is not hit.chain:
        by += f" of chain {hit.inside.name}"
    exceptions = [_shown(one) for one in hit.exceptions if one.text]
    unless = f", unless {exceptions[0]!r} lets them pass" if exceptions and not hit.is_certain else ""
    text = f"{hit.chain}: {by} turns away {_listed(hit.whats)} of {_farms(hit)}{unless}"
    return Finding(FAULT if hit.is_certain else WARN, "firewall", text, _cure(hit))


def _done(hit: _Hit) -> Finding:
    shown = _shown(hit.rule) if hit.rule else ""
    text = f"{hit.chain}: by the rule {shown!r} packets of {_farms(hit)} {hit.name}"
    if hit.name == _UNCLEAR:
        cure = "see with iptables-save -t raw that it sets neither notrack nor a zone"
        return Finding(WARN, "target CT", text, cure)
    if hit.name == _TAKEN:
        subject, follows = "other NAT", " before the farm gets them"
    elif hit.name == _NOTRACK:
        subject, follows = "notrack", ", so they reach no backend"
    else:
        subject, follows = "conntrack zone", ", where their answers are not found"
    return Finding(FAULT if hit.is_certain else WARN, subject, f"{text}{follows}", _by_address(hit))


def _cure(hit: _Hit) -> str:
    chain = hit.chain
    # Other chains can match packets by the translation of their connection.
    if chain.hook in ("ingress", "egress", "output") or (chain.hook == "prerouting" and chain.priority <= DSTNAT):
        return _by_address(hit)
    name = "ip6tables" if chain.family == "ip6" else "iptables"
    if chain.hook == "forward" and (own := _cure_of_forward(chain, name)):
        return own
    if chain.is_of_iptables:
        return f"{name} -t {chain.table} -I {chain.name} -m conntrack --ctstate {_STATES} -j ACCEPT, and keep it"
    place = f"{chain.family} {chain.table} {chain.name}"
    rules = "; ".join(f"insert rule {place} {rule}" for rule in (_TRANSLATED, _TRACKED))
    return f"nft '{rules}', and keep both in the file of its rules"


def _cure_of_forward(chain: Chain, name: str) -> str:
    """Returns the cure for a forward chain of firewalld, docker or ufw, which rewrite it; "" for other chains."""
    if chain.table == "firewalld":
        return (
            "set StrictForwardPorts=no in /etc/firewalld/firewalld.conf, where it is yes, and run firewall-cmd "
            "--reload; or allow it by a policy: firewall-cmd --permanent --new-policy farms, with --add-ingress-zone "
            "ANY, --add-egress-zone ANY and --set-target ACCEPT"
        )
    if any(one.startswith("DOCKER") for one in chain.siblings):
        return f"{name} -I DOCKER-USER -m conntrack --ctstate {_STATES} -j ACCEPT, at each start of docker"
    if ufw := next((one for one in chain.siblings if one in ("ufw-before-forward", "ufw6-before-forward")), ""):
        rules = "before6.rules" if chain.family == "ip6" else "before.rules"
        return (
            f"write -A {ufw} -m conntrack --ctstate {_STATES} -j ACCEPT before COMMIT into /etc/ufw/{rules}, and run "
            "ufw reload"
        )
    return ""


def _by_address(hit: _Hit) -> str:
    """Returns the command that exempts the packets in a chain that cannot ask for their connection's translation."""
    way = next(iter(hit.ways))
    chain = hit.chain
    family = "ip" if way.vip.version == 4 else "ip6"
    transport = way.farm.protocol.transport
    place = f"{chain.family} {chain.table} {chain.name}"
    to, port, by = way.vip, way.port, way.backend
    if chain.hook in ("egress", "output"):
        # In egress, packets have their translated addresses; in output, the guardian's checks go straight to backends.
        to, port, by = way.backend, way.backend_port, way.vip
    asking = f"{family} daddr {to} {transport} dport {port}"
    if hit.whats.keys() & {PASSIVE, ANSWERS}:
        asking = f"{family} daddr {to} meta l4proto {transport}"
    answering = f"{family} saddr {by} meta l4proto {transport}"
    wanted = [asking] * hit.requests + [answering] * hit.replies
    rules = "; ".join(f"insert rule {place} {one} accept" for one in wanted)
    if chain.is_of_iptables:
        name = "ip6tables" if chain.family == "ip6" else "iptables"
        lines = [f"-d {to} -p {transport}"] * hit.requests + [f"-s {by} -p {transport}"] * hit.replies
        rules = "; ".join(f"{name} -t {chain.table} -I {chain.name} {one} -j ACCEPT" for one in lines)
        return f"{rules}, for each VIP and backend, and keep it"
    return f"nft '{rules}', for each VIP and backend, and keep it in the file of its rules"


def _farms(hit: _Hit) -> str:
    names = list(dict.fromkeys(way.farm.name for way in hit.ways))
    return f"{'farm' if len(names) == 1 else 'farms'} {some(names)}"


def _listed(whats: Iterable[str]) -> str:
    *rest, last = whats
    return f"{', '.join(rest)} and {last}" if rest else last


def _shown(rule: Rule) -> str:
    text = rule.text.replace("counter ", "")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
