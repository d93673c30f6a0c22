"""Finds the node of the pair that this machine is."""

from __future__ import annotations

from collections.abc import Callable

from ..config.pair import Node, Pair
from ..farm import IPAddress
from ..nft.host import source_of


def is_here(address: IPAddress) -> bool:
    """Returns whether an address belongs to this machine."""
    return source_of(address) == str(address)


def this_node(pair: Pair, is_here: Callable[[IPAddress], bool] = is_here) -> Node | None:
    """Returns the node that has any of its addresses on this machine."""
    return next((one for one in pair.nodes if any(map(is_here, one.addresses))), None)
