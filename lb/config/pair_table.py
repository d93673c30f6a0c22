"""The table [pair] of a farms file: TOML in, a pair out; every error names its path and says what is allowed."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_interface

from ..farm import NAME_RULE, FarmError, is_name
from .pair import IPInterface, Leg, Node, Pair
from .schema import Reader, addresses, build, duration, flag, integer, one_or_more, shown, table_of, text_of


def pair_of(value: object) -> Pair:
    """Makes the pair of what tomllib has read below the key pair; FarmError."""
    return build(Pair, _PAIR, {"nodes": "[pair.nodes.lb1]"}, value, "pair")


def _nodes(value: object, path: str) -> tuple[Node, ...]:
    nodes = []
    for name, table in table_of(value, path).items():
        if not is_name(name):
            raise FarmError(f"{path}.{shown(name)}", f"the name {NAME_RULE}")
        nodes.append(build(partial(Node, name=name), _NODE, _NODE_EXAMPLES, table, f"{path}.{name}"))
    return tuple(nodes)


def _leg(value: object, path: str) -> Leg:
    return build(Leg, _LEG, _LEG_EXAMPLES, value, path)


def _interface_address(value: object, path: str, what: str) -> IPInterface:
    text = text_of(value, path, what)
    try:
        found = ip_interface(text)
    except ValueError:
        found = None
    if found is None or "/" not in text:
        message = f'must be an address with its prefix, like "192.0.2.2/24", not {shown(text)}'
        raise FarmError(path, message)
    return found


_LEG: dict[str, Reader] = {
    "interface": text_of,
    "address": partial(one_or_more, _interface_address, "a string"),
}
_LEG_EXAMPLES = {"interface": 'interface = "eth0"', "address": 'address = "192.0.2.2/24"'}
_NODE: dict[str, Reader] = {"priority": integer, "sync": _leg, "service": _leg, "backend": _leg}
_NODE_EXAMPLES = {
    "priority": "priority = 130",
    "sync": 'sync = { interface = "eth2", address = "172.31.0.1/30" }',
    "service": 'service = { interface = "eth0", address = "192.0.2.2/24" }',
    "backend": 'backend = { interface = "eth1", address = "10.0.1.2/24" }',
}
_PAIR: dict[str, Reader] = {
    "nodes": _nodes,
    "source": addresses,
    "router-ids": partial(one_or_more, integer, "an integer"),
    "advert-interval": duration,
    "preempt": flag,
    "preempt-delay": duration,
    "sync-port": integer,
}
