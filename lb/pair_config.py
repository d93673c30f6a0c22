"""The table [pair] of a farms file: TOML in, a pair out; every error names its path and says what is allowed."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_interface

from lb import config
from lb.config import Reader
from lb.farm import NAME_RULE, FarmError, is_name
from lb.pair import IPInterface, Leg, Node, Pair


def pair_of(value: object) -> Pair:
    """Makes the pair of what tomllib has read below the key pair; FarmError."""
    return config._build(Pair, _PAIR, {"nodes": "[pair.nodes.lb1]"}, value, "pair")


def _nodes(value: object, path: str) -> tuple[Node, ...]:
    nodes = []
    for name, table in config._table(value, path).items():
        if not is_name(name):
            raise FarmError(f"{path}.{config._shown(name)}", f"the name {NAME_RULE}")
        nodes.append(config._build(partial(Node, name=name), _NODE, _NODE_EXAMPLES, table, f"{path}.{name}"))
    return tuple(nodes)


def _leg(value: object, path: str) -> Leg:
    return config._build(Leg, _LEG, _LEG_EXAMPLES, value, path)


def _interface_address(value: object, path: str, what: str) -> IPInterface:
    text = config._text(value, path, what)
    try:
        found = ip_interface(text)
    except ValueError:
        found = None
    if found is None or "/" not in text:
        message = f'must be an address with its prefix, like "192.0.2.2/24", not {config._shown(text)}'
        raise FarmError(path, message)
    return found


_LEG: dict[str, Reader] = {
    "interface": config._text,
    "address": partial(config._some, _interface_address, "a string"),
}
_LEG_EXAMPLES = {"interface": 'interface = "eth0"', "address": 'address = "192.0.2.2/24"'}
_NODE: dict[str, Reader] = {"priority": config._integer, "sync": _leg, "service": _leg, "backend": _leg}
_NODE_EXAMPLES = {
    "priority": "priority = 130",
    "sync": 'sync = { interface = "eth2", address = "172.31.0.1/30" }',
    "service": 'service = { interface = "eth0", address = "192.0.2.2/24" }',
    "backend": 'backend = { interface = "eth1", address = "10.0.1.2/24" }',
}
_PAIR: dict[str, Reader] = {
    "nodes": _nodes,
    "source": config._addresses,
    "router-ids": partial(config._some, config._integer, "an integer"),
    "advert-interval": config._duration,
    "preempt": config._flag,
    "preempt-delay": config._duration,
    "sync-port": config._integer,
}
