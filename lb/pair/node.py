"""Which node of a pair this machine is, and where the two of them find each other's metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from ..config.load import pair_in, parse_settings
from ..config.pair import Node, Pair
from ..config.service import SYNC, Settings
from ..farm import IPAddress
from ..nft.host import source_of
from .peer import PeerError, Side, read_page
from .peer_page import fetch


def is_here(address: IPAddress) -> bool:
    """Tells whether an address is this machine's."""
    return source_of(address) == str(address)


def this_node(pair: Pair, is_here: Callable[[IPAddress], bool] = is_here) -> Node | None:
    """Returns the node that has any of its addresses on this machine."""
    return next((one for one in pair.nodes if any(map(is_here, one.addresses))), None)


def with_own_address(settings: Settings, text: str) -> Settings:
    """Puts this node's address in the place of the word sync, which stays where this machine is no node of a pair."""
    endpoint = settings.endpoint
    if endpoint is None or endpoint[0] != SYNC:
        return settings
    pair = pair_in(text)
    node = this_node(pair) if pair is not None else None
    if node is None:
        return settings
    return replace(settings, metrics=_written(node.sync.address[0].ip, endpoint[1]))


def ask_peer(text: str, peer: Node) -> Side:
    """Asks the guardian of the other node of the pair in a farms file; PeerError."""
    address = peer.sync.address[0].ip
    settings = parse_settings(text)
    endpoint = settings.endpoint
    wanted = endpoint is not None and (endpoint[0] == SYNC or _is_everywhere(endpoint[0], address))
    if endpoint is None or not wanted:
        raise PeerError('only with metrics = "sync:9190" below [service] do the nodes ask each other')
    return read_page(fetch(str(address), endpoint[1]))


def _is_everywhere(host: str, address: IPAddress) -> bool:
    served = ip_address(host)
    return served.is_unspecified and served.version == address.version


def _written(address: IPAddress, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
