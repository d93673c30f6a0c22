"""Writes keepalived.conf of one node: farms and pair in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..config.pair import Leg, Node, Pair
from ..farm import Farm, IPAddress


def keepalived_conf(pair: Pair, node: Node, farms: tuple[Farm, ...], folder: Path) -> str:
    """Returns keepalived.conf; folder will hold the notify script."""
    peer = pair.peer(node)
    vips = sorted({vip for farm in farms for vip in farm.vip}, key=_order)
    # A farm's own source addresses move too.
    sources = sorted({*pair.source, *(one for farm in farms for one in farm.source)} - {*vips}, key=_order)
    sides = [_instance("service", pair, node, peer, vips, 0)]
    if sources:
        sides.append(_instance("backend", pair, node, peer, sources, 1))
    members = "\n".join(["        noidlb_service", *(["        noidlb_backend"] if sources else [])])
    return f"""\
global_defs {{
    router_id {node.name}
    script_user root
    # Scripts that others than root can write are not run.
    enable_script_security
    # Version 3 is the one with intervals below a second.
    vrrp_version 3
    # Until both sides have moved packets go in by one node and out by the other, and are lost: be quick about it.
    vrrp_priority -20
    # Switches and neighbours learn the new place of the addresses from these. One for each, for the other side waits
    # until the first side has sent all of its own; as one may be lost, another one a second later.
    vrrp_garp_master_repeat 1
    vrrp_garp_master_delay 1
}}

# Both sides move together: with the VIPs here and the source there, answers would take the way of the other node.
vrrp_sync_group noidlb {{
    group {{
{members}
    }}
    notify {folder}/notify root
}}

{chr(10).join(sides)}"""


def _instance(side: str, pair: Pair, node: Node, peer: Node, addresses: Sequence[IPAddress], number: int) -> str:
    leg: Leg = getattr(node, side)
    other: Leg = getattr(peer, side)
    # An instance speaks VRRP in the family of its first address; it announces the others by ARP or neighbour discovery.
    version = next((one.version for one in addresses if one.version in leg.versions), leg.versions[0])
    ordered = sorted(addresses, key=lambda one: (one.version != version, _order(one)))
    here, there = leg.address_of(version), other.address_of(version)
    preempt = f"    preempt_delay {pair.preempt_delay:g}\n" if pair.preempt else "    nopreempt\n"
    reason = (
        "    # Not at once: who was away needs the flows first, which the other node sends when asked.\n"
        if pair.preempt
        else "    # Who comes back stands by: each change costs the sessions that were just being made.\n"
    )
    shown = "\n".join(f"        {_at(one, leg)}" for one in ordered[:1])
    excluded = "".join(f"        {_at(one, leg)}\n" for one in ordered[1:])
    block = (
        "    # An advertisement has room for few addresses, of one family; these move all the same.\n"
        f"    virtual_ipaddress_excluded {{\n{excluded}    }}\n"
        if excluded
        else ""
    )
    return f"""\
vrrp_instance noidlb_{side} {{
    # On both nodes: who serves follows from the priorities, not from who started first.
    state BACKUP
{reason}{preempt}    interface {leg.interface}
    virtual_router_id {pair.router_ids[number]}
    priority {node.priority}
    # The other node takes over after three of these without a word and (256 - its priority) / 256 of one more; when
    # this one takes its leave, after the latter alone.
    advert_int {pair.advert_interval:g}
    # Unicast: needs no multicast in the network, and nobody else joins.
    unicast_src_ip {here.ip if here else ""}
    unicast_peer {{
        {there.ip if there else ""}
    }}
    virtual_ipaddress {{
{shown}
    }}
{block}}}
"""


def _at(address: IPAddress, leg: Leg) -> str:
    # With a host's prefix, so that the address adds no route and is not chosen as source of this machine's connections.
    return f"{address}/{address.max_prefixlen} dev {leg.interface}"


def _order(address: IPAddress) -> tuple[int, int]:
    return address.version, int(address)
