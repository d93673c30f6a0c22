"""Builds the symbolic packets of a farm's connections and of its guardian's checks, as they are at each hook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..address import IPAddress
from ..config.mark_layout import FEW
from ..farm import Farm, Mode, Protocol
from ..nft.skeleton import PREROUTING
from .packet import ABSENT, Packet
from .rules import Chain

DSTNAT = -100
"""The priority at which the kernel translates destinations, whatever that of a nat chain is."""
# Those of nf_conntrack, and of the translation of sources.
_CONNTRACK, _SRCNAT = -200, 100
# The hooks behind routing, of forwarded packets.
_LAST = ("postrouting", "egress")
NEW = "new connections"
"""The name of the first packets of connections."""
PASSIVE, ANSWERS = "passive data connections", "answers of clients"
"""Connections of clients to further ports, and their packets in those that a backend opens."""
_ACTIVE, _TRANSFERS = "active data connections", "transfers"
CHECKS = "the guardian's checks"
# An example of a port that clients and servers choose dynamically.
_EPHEMERAL = 50000


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way of a farm's connections: VIP, backend, and the interfaces towards client and backend (None: unknown).

    is_local: the backend is this machine. mask has noidlb's bits of the mark.
    """

    farm: Farm
    vip: IPAddress
    port: int
    backend: IPAddress
    backend_port: int
    client_side: str | None = None
    backend_side: str | None = None
    is_local: bool = False
    mask: int = FEW


def packets(way: Way, chain: Chain) -> Iterator[Packet]:
    """Yields the packets of a way that reach a base chain, with the fields that they have there.

    It yields none for a chain without a hook, which packets reach by a jump only.
    """
    if chain.family not in ("inet", "netdev", "ip" if way.vip.version == 4 else "ip6"):
        return
    if chain.type == "nat":
        if chain.hook == "prerouting" and chain.priority < PREROUTING:
            # It sees the first packet of a connection only, and none that noidlb's chain has translated.
            yield next(_before(way, chain))
    elif chain.hook in ("prerouting", "ingress"):
        yield from _before(way, chain)
    elif chain.hook == ("input" if way.is_local else "forward") or (chain.hook in _LAST and not way.is_local):
        yield from _after(way, chain)
    elif chain.hook in ("output", "input") and way.farm.guardian is not None and not way.is_local:
        yield from _checking(way, chain.hook)


def _checking(way: Way, hook: str) -> Iterator[Packet]:
    """Yields the packets of the guardian's checks, which this machine sends and receives itself."""
    for what, state, is_answer in _checks(way.farm):
        if is_answer is not (hook == "input"):
            continue
        yield Packet(
            what=what,
            version=way.vip.version,
            l4proto=way.farm.protocol.transport,
            saddr=way.backend if is_answer else None,
            daddr=None if is_answer else way.backend,
            # Of a transfer, both ports are chosen as it begins.
            sport=(way.backend_port if state == "established" else _EPHEMERAL) if is_answer else _EPHEMERAL,
            dport=_EPHEMERAL if is_answer else way.backend_port,
            iif=way.backend_side if is_answer else ABSENT,
            oif=ABSENT if is_answer else way.backend_side,
            state=state,
            statuses=_statuses(state, is_translated=False),
            maybe=frozenset({"assured"}),
            direction="reply" if is_answer and state == "established" else "original",
            original_daddr=None if state == "related" else way.backend,
            original_dport=_EPHEMERAL if state == "related" else way.backend_port,
            is_reply=is_answer,
        )


def _checks(farm: Farm) -> Iterator[tuple[str, str, bool]]:
    """Yields the packets of a check: name, conntrack state, and whether it is an answer."""
    yield CHECKS, "new", False
    yield CHECKS, "established", False
    if farm.protocol is Protocol.TFTP:
        # The skeleton's helper makes it related, although it comes from another port (RFC 1350, section 4).
        yield "transfers to the guardian", "related", True
    else:
        yield "answers to the guardian's checks", "established", True


def _before(way: Way, chain: Chain) -> Iterator[Packet]:
    """Yields the packets as they arrive: untracked at the first priorities, translated behind dstnat."""
    is_tracked = chain.hook == "prerouting" and chain.priority > _CONNTRACK
    is_translated = is_tracked and chain.priority > DSTNAT
    for kind in _asking(way.farm):
        packet = _request(way, *kind, iif=way.client_side, oif=ABSENT, is_translated=is_translated)
        yield packet if is_tracked else _untracked(packet)
    for kind in _answering(way.farm):
        port = way.backend_port
        packet = _answer(way, *kind, saddr=way.backend, sport=port, iif=way.backend_side, oif=ABSENT)
        yield packet if is_tracked else _untracked(packet)


def _after(way: Way, chain: Chain) -> Iterator[Packet]:
    """Yields the packets behind routing; answers of this machine itself pass the hook output instead."""
    at_the_end = chain.hook in _LAST
    iif = ABSENT if chain.hook == "egress" else way.client_side
    for kind in _asking(way.farm):
        yield _request(way, *kind, iif=iif, oif=ABSENT if way.is_local else way.backend_side)
    source = None if at_the_end and chain.priority >= _SRCNAT else way.backend
    if chain.hook == "egress":
        # All translation is done.
        source = way.vip
    port = None if at_the_end else way.backend_port
    iif = ABSENT if chain.hook == "egress" else way.backend_side
    for kind in () if way.is_local else _answering(way.farm):
        yield _answer(way, *kind, saddr=source, sport=port, iif=iif, oif=way.client_side)


def _request(
    way: Way, what: str, state: str, is_control: bool, *, iif: object, oif: object, is_translated: bool = True
) -> Packet:
    """Returns a client's packet of a tracked connection."""
    return Packet(
        what=what,
        version=way.vip.version,
        l4proto=way.farm.protocol.transport,
        daddr=way.backend if is_translated else way.vip,
        sport=_EPHEMERAL,
        dport=(way.backend_port if is_translated else way.port) if is_control else _EPHEMERAL,
        iif=iif,
        oif=oif,
        state=state,
        statuses=_statuses(state, is_translated and _leads_elsewhere(way, what)),
        maybe=_perhaps(state),
        direction="reply" if what == ANSWERS else "original",
        original_daddr=None if what == ANSWERS else way.vip,
        original_dport=way.port if is_control else _EPHEMERAL,
        marked=way.mask if is_translated or state == "established" else 0,
    )


def _answer(
    way: Way,
    what: str,
    state: str,
    is_control: bool,
    *,
    saddr: IPAddress | None,
    sport: int | None,
    iif: object,
    oif: object,
) -> Packet:
    """Returns a backend's packet of a tracked connection; sport is that of the control connection."""
    return Packet(
        what=what,
        version=way.vip.version,
        l4proto=way.farm.protocol.transport,
        saddr=saddr,
        dport=_EPHEMERAL,
        sport=sport if is_control else None,
        iif=iif,
        oif=oif,
        state=state,
        statuses=_statuses(state, _leads_elsewhere(way, what)),
        maybe=_perhaps(state),
        direction="reply" if is_control else "original",
        original_daddr=way.vip if is_control else None,
        original_dport=way.port if is_control else _EPHEMERAL,
        marked=way.mask,
        is_reply=True,
    )


def _untracked(packet: Packet) -> Packet:
    """Returns a packet as it is before conntrack has seen it."""
    return replace(
        packet,
        state="invalid",
        statuses=None,
        direction=ABSENT,
        original_daddr=ABSENT,
        original_dport=ABSENT,
        marked=0,
    )


def _asking(farm: Farm) -> Iterator[tuple[str, str, bool]]:
    """Yields the packets of clients: name, conntrack state, and whether they go to the farm's port, not a data port."""
    yield NEW, "new", True
    yield "established connections", "established", True
    if farm.protocol is Protocol.FTP:
        yield PASSIVE, "related", False
    if farm.helper:
        yield ANSWERS, "established", False


def _answering(farm: Farm) -> Iterator[tuple[str, str, bool]]:
    """Yields the packets of backends in the same way, by the port that they come from."""
    yield "answers of backends", "established", True
    if farm.protocol is Protocol.FTP:
        yield _ACTIVE, "related", False
    elif farm.protocol is Protocol.TFTP:
        # The server answers a request from a port of its own (RFC 1350, section 4).
        yield _TRANSFERS, "related", False


def _leads_elsewhere(way: Way, what: str) -> bool:
    """Returns whether a packet's connection has a translated destination; if a backend opened it, in mode snat only."""
    return way.farm.mode is Mode.SNAT or what not in (_ACTIVE, _TRANSFERS, ANSWERS)


def _statuses(state: str, is_translated: bool) -> frozenset[str]:
    found = {"established": {"seen-reply", "confirmed"}, "related": {"expected"}}.get(state, set[str]())
    return frozenset(found | ({"dnat"} if is_translated else set()))


def _perhaps(state: str) -> frozenset[str]:
    # The source is translated after all these chains, so a new connection does not have the flag yet.
    return frozenset() if state == "new" else frozenset({"snat", "assured"})
