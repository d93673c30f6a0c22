"""Writes keepalived.conf of one node: farms and pair in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..address import IPAddress
from ..config.pair import Leg, Node, Pair
from ..farm import Farm


def keepalived_conf(pair: Pair, node: Node, farms: tuple[Farm, ...], folder: Path) -> str:
    """Returns keepalived.conf; folder will hold the notify script."""
    peer = pair.peer(node)
    vips, sources = pair.moving(farms)
    sides = [_instance("service", pair, node, peer, vips, 0)]
    if sources:
        sides.append(_instance("backend", pair, node, peer, sources, 1))
    members = "\n".join(["        noidlb_service", *(["        noidlb_backend"] if sources else [])])
    return f"""\
global_defs {{
    router_id {node.name}
    script_user root
    # keepalived runs no script that another user than root can write.
    enable_script_security
    # Version 3 allows intervals below a second.
    vrrp_version 3
    # A high scheduling priority: while one side has moved and the other has not, packets are lost.
    vrrp_priority -20
    # Gratuitous ARP and neighbour advertisements, from which switches and hosts learn the new place of an address. One
    # for each address, because the second side waits until the first has sent all; repeated after 1 s, if one is lost.
    vrrp_garp_master_repeat 1
    vrrp_garp_master_delay 1
}}

# Both sides move together: with the VIPs here and the source there, replies would arrive at the other node.
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
    # A stable sort, which keeps the order within a family.
    ordered = sorted(addresses, key=lambda one: one.version != version)
    here, there = leg.address_of(version), other.address_of(version)
    preempt = f"    preempt_delay {pair.preempt_delay:g}\n" if pair.preempt else "    nopreempt\n"
    reason = (
        "    # A node that returns first gets the flows from the other node, and takes over after this delay.\n"
        if pair.preempt
        else "    # A node that returns stays the backup: another change would cost sessions that just begin.\n"
    )
    shown = "\n".join(f"        {_at(one, leg)}" for one in ordered[:1])
    excluded = "".join(f"        {_at(one, leg)}\n" for one in ordered[1:])
    block = (
        "    # These move too, but are not advertised: an advertisement holds few addresses, of one family.\n"
        f"    virtual_ipaddress_excluded {{\n{excluded}    }}\n"
        if excluded
        else ""
    )
    return f"""\
vrrp_instance noidlb_{side} {{
    # BACKUP on both nodes: the priorities decide which node serves, not the order of starting.
    state BACKUP
{reason}{preempt}    interface {leg.interface}
    virtual_router_id {pair.router_ids[number]}
    priority {node.priority}
    # The other node takes over after three intervals without an advertisement, plus (256 - its priority) / 256 of an
    # interval; when this node ends regularly, after the latter part only.
    advert_int {pair.advert_interval:g}
    # Unicast works in networks without multicast, and no third router takes part.
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
