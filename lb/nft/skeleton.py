"""The constant part of the table: maps, sets and chains, the same for every configuration with the same marks.

Rules are written once and never changed; everything that varies is an element of a map. The cost of a change therefore
does not depend on the number of farms, and no packet meets a table that is half loaded.

The way of a new connection through hooks (left), chains and maps (right). Names for IPv4 end in 4, for IPv6 in 6:

    from the network               from this machine
    prerouting, nat, dstnat        output, nat, -100         both jump to dispatch
            |                              |
            +---------- dispatch ----------+                 sets ftp4, tftp4: assign the conntrack helper
                           |                                 map range4: FTPS data port -> passive4
                           |                                 map service4: VIP and port -> one of the four chains
            plain4, sticky chain, passive4 or refuse
                           |                                 map farm4: VIP and port -> farm
                           |                                 map pick4: farm -> pick chain
              pick chain: rr, random or hash                 map slot4: farm and slot number -> backend
                           |
                         nat4                                set full: refuse beyond the connection limit
                           |                                 mark-flow: priority -> conntrack mark
                           |                                 map backend4 or host4: backend -> address, for dnat
               routing, other forward chains
                           |
    postrouting, nat, srcnat                                 map source4, set masq4: source address towards the backend
    remember, filter, postrouting 0                          map sticky4: client -> backend, at the client's first ACK

Why these hooks:

    nat chains   The kernel asks them for the first packet of a connection only; conntrack translates the others and the
                 replies. So the rules cost nothing per packet, and established connections survive every change.
    output       Packets of clients on this machine do not pass prerouting.
    helper       Assigned before dnat, because it goes by the VIP; afterwards the destination is the backend's.
    remember     A SYN can be forged, so a sticky client is remembered at its first ACK. That is not the first packet of
                 the connection, hence a chain of type filter, which exists only while a farm is sticky.

Between two look-ups the result must be kept with the packet. The conntrack mark would be the obvious place, but other
programs use bits of it, and before nft 1.1 no rule can write some bits from a map and keep the others. The result is
kept in the packet's priority instead, which ip_forward() overwrites before a queueing discipline reads it. mark-flow
then copies it to noidlb's bits of the mark, one rule a bit, and leaves the other bits alone.

Postrouting decides by the VIP and port of the client's request (`ct original`), not by the mark, because rules of other
programs may save and restore whole marks in between.
"""

from __future__ import annotations

from ..config.mark_layout import Layout

TABLE = "noidlb"
# Raised when the text below changes its meaning: a table of another version is replaced as a whole, once.
VERSION = 2
# A constant: without a seed, jhash gets a random one at each load, and every client would move to another backend.
SEED = 0x1B0AD
STICKY_SIZE = 262144
# nft 1.0.6 cannot use an IPv6 address and a mark together as the key of a map that rules write to.
_CLIENT6 = f"jhash ip6 saddr mod 4294967295 seed {SEED:#x}"
# The base chain of sticky farms. It is the only one that sees every packet, so it exists only while a farm is sticky.
REMEMBER = "remember"

# IP version -> (nft's protocol expression, nft's type of its addresses)
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}


def skeleton(layout: Layout) -> str:
    """Returns the table without any element, as nft text."""
    families = "\n".join(_family(version, layout) for version in FAMILIES)
    dispatch = "\n".join(_dispatch(version) for version in FAMILIES)
    postrouting = "\n".join(_postrouting(version) for version in FAMILIES)
    return f"""\
table inet {TABLE} {{
	comment "noidlb {VERSION} marks {layout.mask:#010x}"
	ct helper ftp {{ type "ftp" protocol tcp; l3proto inet; }}
	ct helper tftp {{ type "tftp" protocol udp; l3proto inet; }}
	set full {{ type classid; ct count over 4294967294; }}
	map remember {{ type classid : verdict; }}
	chain refuse {{
		counter
		meta l4proto tcp reject with tcp reset
		reject with icmpx port-unreachable
	}}
	chain mark-flow {{
		ct mark set ct mark and {~layout.mask & 0xFFFFFFFF:#010x}
{_copy("meta priority", "ct mark", layout)}
	}}
	chain remembered {{
		ct mark set ct mark and {~layout.pending & 0xFFFFFFFF:#010x}
		meta priority set 0
{_copy("ct mark", "meta priority", layout)}
		meta priority and {layout.farm:#010x} vmap @remember
		meta priority set 0
	}}
{families}
	chain dispatch {{
{dispatch}
	}}
	chain prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		jump dispatch
	}}
	chain output {{
		type nat hook output priority -100; policy accept;
		jump dispatch
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ct mark and {layout.farm:#010x} != 0 meta priority set 0
{postrouting}
	}}
}}
"""


def pick_chain(scheduler: str, version: int, slots: int, lane: int) -> tuple[str, str]:
    """Returns name and rule of the chain that picks a slot; scheduler is rr, random or hash."""
    protocol = FAMILIES[version][0]
    number = {
        "rr": f"numgen inc mod {slots}",
        "random": f"numgen random mod {slots}",
        "hash": f"jhash {protocol} saddr mod {slots} seed {SEED:#x}",
    }[scheduler]
    # A counter for each lane: two farms whose clients alternate on one counter would each get every second number, and
    # so only every second backend.
    name = f"{scheduler}{version}-{slots}-{lane}" if scheduler == "rr" else f"{scheduler}{version}-{slots}"
    return name, f"meta priority set meta priority . {number} map @slot{version}"


def sticky_chain(version: int, seconds: int, layout: Layout) -> tuple[str, str]:
    """Returns name and rules of the chain for sticky farms that remember a client for that many seconds.

    TCP clients are remembered by the chain remember. UDP clients are remembered at their first packet: TFTP servers
    answer from another port, so most requests never become an established flow. When the map is full, new clients are
    served without being remembered.
    """
    client = _client(version)
    key = f"meta priority and {layout.farm:#010x} . {client}"
    serve = (
        "meta priority @full goto refuse",
        "jump mark-flow",
        f"meta l4proto tcp ct mark set ct mark or {layout.pending:#010x}",
        f"meta l4proto udp update @sticky{version} {{ {key} timeout {seconds}s : meta priority }}",
        _to_backend(version),
        _to_host(version),
    )
    return f"sticky{version}-{seconds}", "\n\t\t".join((
        _farm_of(version),
        f"meta priority set meta priority . {client} map @sticky{version}",
        f"meta priority and {layout.backend:#010x} == 0 meta priority vmap @pick{version}",
        *serve,
        # Reached only when the remembered backend has no address: delete the entry, because `update` would keep its old
        # data, and pick another backend.
        f"delete @sticky{version} {{ {key} : meta priority }}",
        f"meta priority set meta priority and {layout.farm:#010x}",
        f"meta priority vmap @pick{version}",
        *serve,
        "goto refuse",
    ))  # fmt: skip


def remember_chains(seconds: int, layout: Layout) -> dict[str, str]:
    """Returns names and rules of the chains that remember TCP clients of farms with that sticky time in seconds."""
    updates = (
        f"update @sticky{version} {{ meta priority and {layout.farm:#010x} . {_client(version)} "
        f"timeout {seconds}s : meta priority }}"
        for version in FAMILIES
    )
    return {
        REMEMBER: "type filter hook postrouting priority 0; policy accept;\n\t\t"
        f"ct mark and {layout.pending:#010x} == {layout.pending:#010x} ct direction original ct state established "
        # A SYN that is repeated after the server's answer has the state established too.
        "tcp flags & (syn | ack) == ack jump remembered",
        f"{REMEMBER}-{seconds}": "\n\t\t".join(updates),
    }


def _client(version: int) -> str:
    return _CLIENT6 if version == 6 else f"{FAMILIES[version][0]} saddr"


def _farm_of(version: int) -> str:
    return f"meta priority set meta l4proto . {FAMILIES[version][0]} daddr . th dport map @farm{version}"


def _copy(source: str, target: str, layout: Layout) -> str:
    """Returns the rules that copy farm and backend, one for each bit."""
    bits = (bit for bit in layout.bits if bit & layout.flow)
    hexes = (f"{bit:#010x}" for bit in bits)
    return "\n".join(f"\t\t{source} and {bit} == {bit} {target} set {target} or {bit}" for bit in hexes)


def _to_backend(version: int) -> str:
    return f"meta l4proto {{ tcp, udp }} dnat {FAMILIES[version][0]} to meta priority map @backend{version}"


def _to_host(version: int) -> str:
    # Without a port in the map, dnat keeps the port that the client asked for.
    return f"meta l4proto {{ tcp, udp }} dnat {FAMILIES[version][0]} to meta priority map @host{version}"


def _serve(version: int) -> str:
    return f"""\
		meta priority @full goto refuse
		jump mark-flow
		{_to_backend(version)}
		{_to_host(version)}"""


def _family(version: int, layout: Layout) -> str:
    protocol, address = FAMILIES[version]
    plain_key = f"type classid . {address} : classid"
    by_client = "typeof meta priority . numgen inc mod 4294967295 : meta priority" if version == 6 else plain_key
    return f"""\
	set ftp{version} {{ type {address} . inet_service; }}
	set tftp{version} {{ type {address} . inet_service; }}
	map service{version} {{ type inet_proto . {address} . inet_service : verdict; }}
	map farm{version} {{ type inet_proto . {address} . inet_service : classid; }}
	map pick{version} {{ type classid : verdict; }}
	map slot{version} {{ typeof meta priority . numgen inc mod 65536 : meta priority; }}
	map backend{version} {{ type classid : {address} . inet_service; counter; }}
	map sticky{version} {{ {by_client}; flags dynamic,timeout; timeout 7d; size {STICKY_SIZE}; }}
	map range{version} {{ type {address} . inet_service : verdict; flags interval; }}
	map passive{version} {{ type {address} . inet_service : classid; flags interval; }}
	map host{version} {{ type classid : {address}; counter; }}
	map source{version} {{ type inet_proto . {address} . inet_service : {address}; }}
	map sourcerange{version} {{ type {address} . inet_service : {address}; flags interval; }}
	set masq{version} {{ type inet_proto . {address} . inet_service; }}
	set masqrange{version} {{ type {address} . inet_service; flags interval; }}
	map active{version} {{ type {address} . inet_service : {address}; }}
	chain nat{version} {{
{_serve(version)}
		meta priority set meta priority and {layout.farm:#010x}
		meta priority vmap @pick{version}
{_serve(version)}
		goto refuse
	}}
	chain plain{version} {{
		{_farm_of(version)}
		meta priority vmap @pick{version}
		goto nat{version}
	}}
	chain passive{version} {{
		meta priority set {protocol} daddr . tcp dport map @passive{version}
		jump mark-flow
		{_to_host(version)}
		goto refuse
	}}"""


def _dispatch(version: int) -> str:
    protocol, _ = FAMILIES[version]
    return f"""\
		{protocol} daddr . tcp dport vmap @range{version}
		{protocol} daddr . tcp dport @ftp{version} ct helper set "ftp"
		{protocol} daddr . udp dport @tftp{version} ct helper set "tftp"
		meta l4proto . {protocol} daddr . th dport vmap @service{version}"""


def _postrouting(version: int) -> str:
    protocol, _ = FAMILIES[version]
    asked = f"ct original {protocol} daddr . ct original proto-dst"
    # nft knows the type of proto-dst only behind a match of the transport.
    services = "\n".join(
        f"""\
		ct status dnat meta l4proto {transport} snat {protocol} to meta l4proto . {asked} map @source{version}
		ct status dnat meta l4proto {transport} meta l4proto . {asked} @masq{version} masquerade"""
        for transport in ("tcp", "udp")
    )
    return f"""\
{services}
		ct status dnat meta l4proto tcp snat {protocol} to {asked} map @sourcerange{version}
		ct status dnat meta l4proto tcp {asked} @masqrange{version} masquerade
		meta l4proto tcp snat {protocol} to {protocol} saddr . tcp sport map @active{version}"""
