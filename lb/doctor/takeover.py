"""Checks farms and pair for what fails or loses sessions at a take-over, and says what to write instead; pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..config.pair import Pair
from ..farm import Farm, Mode, Protocol
from .finding import FAULT, NOTE, OK, WARN, Finding

# Characters of an IPv6 address as the kernel writes it into an EPRT: all eight groups with four digits.
_LONGEST = 39


def look_at(pair: Pair, farms: tuple[Farm, ...]) -> Iterator[Finding]:
    """Yields findings on farms and pair: a fault does not work at all, a warning loses sessions at a take-over."""
    found = [*_links(pair), *_gateways(pair, farms)]
    for farm in farms:
        found += [*_sources(pair, farm), *_sticky(farm), *_texts(farm), *_networks(pair, farm)]
    yield from found
    if not any(one.level in (WARN, FAULT) for one in found):
        yield Finding(OK, "pair", "nothing in the way")


def _links(pair: Pair) -> Iterator[Finding]:
    for node in pair.nodes:
        others = {node.service.interface, node.backend.interface}
        if node.sync.interface in others:
            text = (
                f"{node.sync.interface} carries the clients' traffic too: when it is full, copied flows are lost, and "
                "their sessions at a take-over; and every host on it can forge flows: use a separate link"
            )
            yield Finding(WARN, f"pair.nodes.{node.name}.sync", text)


def _gateways(pair: Pair, farms: tuple[Farm, ...]) -> Iterator[Finding]:
    """Yields a finding for each gateway of backends in mode dnat (pair.source) that is not in the backends' network."""
    for version in sorted({vip.version for farm in farms if farm.mode is Mode.DNAT for vip in farm.vip}):
        source, leg = pair.source_of(version), pair.nodes[0].backend.address_of(version)
        if source is not None and (leg is None or source not in leg.network):
            network = f"the nodes have no IPv{version} address there" if leg is None else str(leg.network)
            text = (
                f"{source} is not in the backends' network ({network}), so it cannot be the default route that "
                "backends need in mode dnat"
            )
            yield Finding(FAULT, "pair.source", text)


def _sources(pair: Pair, farm: Farm) -> Iterator[Finding]:
    for version in farm.versions:
        path = f"farms.{farm.name}"
        if farm.mode is Mode.SNAT and farm.source_of(version) is None:
            text = (
                f"masquerades in IPv{version} behind an address of one node, so a take-over loses every session; "
                f"write pair.source, or a source of the farm, with an IPv{version} address, which then moves"
            )
            yield Finding(FAULT, path, text)
        elif farm.mode is Mode.DNAT and pair.source_of(version) is None:
            text = (
                f"has no IPv{version} address that moves on the backends' side: in mode dnat, backends would go on to "
                "answer through the dead node; write pair.source, and make it their default route"
            )
            yield Finding(FAULT, path, text)


def _sticky(farm: Farm) -> Iterator[Finding]:
    if farm.sticky is not None:
        text = (
            "only the serving node remembers clients: after a take-over a client's new connections may get another "
            'backend, running sessions stay; scheduler = "source-hash" gives the same backend on both nodes'
        )
        yield Finding(WARN, f"farms.{farm.name}.sticky", text)


def _texts(farm: Farm) -> Iterator[Finding]:
    if farm.protocol is not Protocol.FTP:
        return
    differ = [
        f"{vip} and {address}"
        for vip in farm.vip
        for backend in farm.backends
        if vip.version == 4 and (address := backend.address_of(4)) and len(str(vip)) != len(str(address))
    ]
    if differ:
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        text = (
            f"VIP and address differ in length as text ({', '.join(differ[:3])}{more}): the other node does not know "
            "by how much a rewritten 227 has shifted the sequence numbers, so control sessions that have used PASV are "
            "reset at a take-over; give them addresses of the same length, or have clients use EPSV"
        )
        yield Finding(WARN, f"farms.{farm.name}.backends", text)
    if farm.mode is Mode.SNAT and (source := farm.source_of(4)) is not None:
        text = (
            "replaces the client's address in a PORT: once they have used it, control sessions of clients whose "
            f"address has not {len(str(source))} characters are reset at a take-over; in mode dnat nothing is rewritten"
        )
        yield Finding(NOTE, f"farms.{farm.name}.source", text)
    if any(vip.version == 6 for vip in farm.vip):
        text = (
            f"in IPv6 the kernel writes the address of an EPRT with all {_LONGEST} characters, so control sessions "
            "that have used active mode are reset at a take-over unless the client's address is that long too; EPSV "
            "is not rewritten"
        )
        yield Finding(NOTE, f"farms.{farm.name}.vip", text)


def _networks(pair: Pair, farm: Farm) -> Iterator[Finding]:
    for vip in farm.vip:
        leg = pair.nodes[0].service.address_of(vip.version)
        path = f"farms.{farm.name}.vip"
        if leg is None:
            yield Finding(WARN, path, f"{vip}: the nodes have no IPv{vip.version} address on the clients' side")
        elif vip not in leg.network:
            yield Finding(
                WARN, path, f"{vip} is not in the service network {leg.network}: clients find it only by a route"
            )
    for source in farm.source:
        leg = pair.nodes[0].backend.address_of(source.version)
        if leg is None or source not in leg.network:
            network = f"IPv{source.version}" if leg is None else str(leg.network)
            text = f"{source} is not in the backends' network ({network}): their answers find it only by a route"
            yield Finding(WARN, f"farms.{farm.name}.source", text)
