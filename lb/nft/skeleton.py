"""The constant part of the table: maps, sets and chains, the same for every configuration with the same marks.

Rules are written once and never changed; everything that varies is an element of a map. The cost of a change therefore
does not depend on the number of farms, and no packet meets a table that is half loaded.

The way of a new connection through hooks (left), chains and maps (right). Names for IPv4 end in 4, for IPv6 in 6:

    from the network               from this machine
    prerouting, nat, -101          output, nat, -101         both jump to dispatch
            |                              |
            +---------- dispatch ----------+                 sets ftp4, tftp4: assign the conntrack helper
                           |                                 map range4: FTPS data port -> passive4
                           |                                 map service4: VIP and port -> one of the four chains
            plain4, sticky chain, passive4 or refuse         put-aside: bits of other programs -> priority
                           |                                 map farm4: VIP and port -> farm
                           |                                 map pick4: farm -> pick chain
              pick chain: rr, random or hash                 map slot4: farm and slot number -> backend
                           |
                         nat4                                set full: refuse beyond the connection limit
                           |                                 put-back: priority -> bits of other programs
                           |                                 map backend4, host4 or hostrange4: backend -> address,
                           |                                 for dnat
               routing, other forward chains
                           |
    postrouting, nat, 99                                     map source4, set masq4: source address towards the backend
                                                             map activeport4: FTPS data port of a server -> active4
    remember, filter, postrouting 0                          map sticky4: client -> backend, at the client's first ACK

Why these hooks:

    nat chains   The kernel asks them for the first packet of a connection only; conntrack translates the others and the
                 replies. So the rules cost nothing per packet, and established connections survive every change.
    priorities   One before those of docker, podman and kube-proxy. Of chains with one priority the kernel asks the
                 newest first: a port that one of them publishes on all addresses would take the VIP's.
    output       Packets of clients on this machine do not pass prerouting. Nor do the guardian's checks, which go
                 straight to backends (sets ftpcheck4, tftpcheck4). They need the helper too: a TFTP server answers
                 from another port, an FTP server connects for active data, and the host's firewall accepts either as
                 related only.
    helper       Assigned before dnat, because it goes by the VIP; afterwards the destination is the backend's.
    postrouting  Exists only while a farm needs it: in mode dnat, the source address of a connection stays the client's.
                 Active FTPS data connections get their mark and source address here, because no VIP is in them before.
    remember     A SYN can be forged, so a sticky client is remembered at its first ACK. That is not the first packet of
                 the connection, hence a chain of type filter, which exists only while a farm is sticky.

Between two look-ups the result stands in the conntrack mark, where it has to be in the end. Other programs use bits of
that mark too, and before nft 1.1 no rule can write some bits from a map and keep the others. When a new connection
brings such bits, which few do, put-aside copies them to the packet's priority, one rule a bit, and put-back copies them
back before dnat; ip_forward() overwrites the priority before a queueing discipline reads it. A connection without them
costs two comparisons.

Postrouting decides by the VIP and port of the client's request (`ct original`), not by the mark, because rules of other
programs may save and restore whole marks in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..config.mark_layout import Layout

TABLE = "noidlb"
# Raised when the text below changes its meaning: a table of another version is replaced as a whole, once.
VERSION = 5
# Of the nat chains in the hooks prerouting and output.
PREROUTING = -101
# A constant: without a seed, jhash gets a random one at each load, and every client would move to another backend.
SEED = 0x1B0AD
STICKY_SIZE = 262144
# Seconds for which the kernel remembers a TFTP check's request, 30 without this: its answer belongs to another flow, so
# it is never answered, and holds a place in the table of expectations, which the clients of all farms share.
UNANSWERED = 5
# nft 1.0.6 cannot use an IPv6 address and a mark together as the key of a map that rules write to.
_CLIENT6 = f"jhash ip6 saddr mod 4294967295 seed {SEED:#x}"
# The base chain of sticky farms. It is the only one that sees every packet, so it exists only while a farm is sticky.
REMEMBER = "remember"
# The base chain of farms that change the source address. All new connections of this machine pass it.
POSTROUTING = "postrouting"

# IP version -> (nft's protocol expression, nft's type of its addresses)
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}


def skeleton(layout: Layout) -> str:
    """Returns the table without any element, as nft text."""
    families = "\n".join(_family(version, layout) for version in FAMILIES)
    dispatch = "\n".join(_dispatch(version) for version in FAMILIES)
    checks = "\n".join(_checks(version) for version in FAMILIES)
    others = [1 << number for number in range(32) if not layout.mask >> number & 1]
    return f"""\
table inet {TABLE} {{
	comment "noidlb {VERSION} marks {layout.mask:#010x}"
	ct helper ftp {{ type "ftp" protocol tcp; l3proto inet; }}
	ct helper tftp {{ type "tftp" protocol udp; l3proto inet; }}
	ct timeout request {{ protocol udp; l3proto inet; policy = {{ unreplied : {UNANSWERED} }}; }}
	set full {{ type mark; ct count over 4294967294; }}
	map remember {{ type mark : verdict; }}
	chain refuse {{
		counter
		meta l4proto tcp reject with tcp reset
		reject with icmpx port-unreachable
	}}
	chain put-aside {{
{_copy("ct mark", "meta priority", others)}
	}}
	chain put-back {{
{_copy("meta priority", "ct mark", others)}
		meta priority set 0
	}}
	chain remembered {{
		ct mark set ct mark and {~layout.pending & 0xFFFFFFFF:#010x}
		ct mark and {layout.farm:#010x} vmap @remember
	}}
{families}
	chain dispatch {{
{dispatch}
	}}
	chain prerouting {{
		type nat hook prerouting priority {PREROUTING}; policy accept;
		jump dispatch
	}}
	chain output {{
		type nat hook output priority {PREROUTING}; policy accept;
{checks}
		jump dispatch
	}}
}}
"""


@cache
def postrouting() -> str:
    """Returns the rules of the chain that changes the source addresses of connections to backends."""
    rules = "\n".join(_postrouting(version) for version in FAMILIES)
    return f"type nat hook postrouting priority 99; policy accept;\n{rules}"


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
    return name, f"ct mark set ct mark . {number} map @slot{version}"


def sticky_chain(version: int, seconds: int, layout: Layout) -> tuple[str, str]:
    """Returns name and rules of the chain for sticky farms that remember a client for that many seconds.

    TCP clients are remembered by the chain remember. UDP clients are remembered at their first packet: TFTP servers
    answer from another port, so most requests never become an established flow. When the map is full, new clients are
    served without being remembered.
    """
    client = _client(version)
    key = f"ct mark and {layout.farm:#010x} . {client}"
    serve = (
        "ct mark @full goto refuse",
        f"meta l4proto udp update @sticky{version} {{ {key} timeout {seconds}s : ct mark }}",
        _put_back(layout),
        f"meta l4proto tcp ct mark set ct mark or {layout.pending:#010x}",
        _dnat(version, layout, "backend"),
        _dnat(version, layout, "host"),
    )
    return f"sticky{version}-{seconds}", "\n\t\t".join((
        *_put_aside(layout),
        _farm_of(version),
        f"ct mark set ct mark . {client} map @sticky{version}",
        f"ct mark and {layout.backend:#010x} == 0 ct mark vmap @pick{version}",
        *serve,
        # Reached only when the remembered backend has no address: delete the entry, because `update` would keep its old
        # data, and pick another backend.
        f"delete @sticky{version} {{ {key} : ct mark }}",
        *_put_aside(layout),
        f"ct mark set ct mark and {layout.farm:#010x}",
        f"ct mark vmap @pick{version}",
        *serve,
        "goto refuse",
    ))  # fmt: skip


def remember_chains(seconds: int, layout: Layout) -> dict[str, str]:
    """Returns names and rules of the chains that remember TCP clients of farms with that sticky time in seconds."""
    updates = (
        f"update @sticky{version} {{ ct mark and {layout.farm:#010x} . {_client(version)} "
        f"timeout {seconds}s : ct mark and {layout.flow:#010x} }}"
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
    return f"ct mark set meta l4proto . {FAMILIES[version][0]} daddr . th dport map @farm{version}"


def _copy(source: str, target: str, bits: Sequence[int]) -> str:
    """Returns the rules that copy bits, one for each."""
    hexes = (f"{bit:#010x}" for bit in bits)
    return "\n".join(f"\t\t{source} and {bit} == {bit} {target} set {target} or {bit}" for bit in hexes)


def _put_aside(layout: Layout) -> tuple[str, str]:
    """Returns the rules after which the conntrack mark may be overwritten."""
    return "meta priority set 0", f"ct mark and {_others(layout)} != 0 jump put-aside"


def _put_back(layout: Layout) -> str:
    return f"meta priority and {_others(layout)} != 0 jump put-back"


def _others(layout: Layout) -> str:
    """Returns the bits that are left to other programs."""
    return f"{~layout.mask & 0xFFFFFFFF:#010x}"


def _dnat(version: int, layout: Layout, name: str) -> str:
    # Where the map has no port, as host and hostrange, dnat keeps the port that the client asked for.
    backend = f"ct mark and {layout.flow:#010x} map @{name}{version}"
    return f"meta l4proto {{ tcp, udp }} dnat {FAMILIES[version][0]} to {backend}"


def _serve(version: int, layout: Layout) -> str:
    # A full backend refuses, and no other one is picked: `ct count` adds the connection to the list of its element also
    # when it is over the limit. With another backend the connection would live on there, and count at both.
    return f"""\
		ct mark @full goto refuse
		{_put_back(layout)}
		{_dnat(version, layout, "backend")}
		{_dnat(version, layout, "host")}"""


def _family(version: int, layout: Layout) -> str:
    protocol, address = FAMILIES[version]
    plain_key = f"type mark . {address} : mark"
    by_client = "typeof ct mark . numgen inc mod 4294967295 : ct mark" if version == 6 else plain_key
    put_aside = "\n\t\t".join(_put_aside(layout))
    return f"""\
	set ftp{version} {{ type {address} . inet_service; }}
	set tftp{version} {{ type {address} . inet_service; }}
	set ftpcheck{version} {{ type {address} . inet_service; }}
	set tftpcheck{version} {{ type {address} . inet_service; }}
	map service{version} {{ type inet_proto . {address} . inet_service : verdict; }}
	map farm{version} {{ type inet_proto . {address} . inet_service : mark; }}
	map pick{version} {{ type mark : verdict; }}
	map slot{version} {{ typeof ct mark . numgen inc mod 65536 : ct mark; }}
	map backend{version} {{ type mark : {address} . inet_service; counter; }}
	map sticky{version} {{ {by_client}; flags dynamic,timeout; timeout 7d; size {STICKY_SIZE}; }}
	map range{version} {{ type {address} . inet_service : verdict; flags interval; }}
	map passive{version} {{ type {address} . inet_service : mark; flags interval; }}
	map host{version} {{ type mark : {address}; counter; }}
	map hostrange{version} {{ type mark : {address}; }}
	map source{version} {{ type inet_proto . {address} . inet_service : {address}; }}
	map sourcerange{version} {{ type {address} . inet_service : {address}; flags interval; }}
	set masq{version} {{ type inet_proto . {address} . inet_service; }}
	set masqrange{version} {{ type {address} . inet_service; flags interval; }}
	map activeport{version} {{ type {address} . inet_service : verdict; }}
	map active{version} {{ type {address} . inet_service : mark; }}
	map sourceactive{version} {{ type {address} . inet_service : {address}; }}
	chain nat{version} {{
{_serve(version, layout)}
		{put_aside}
		ct mark set ct mark and {layout.farm:#010x}
		ct mark vmap @pick{version}
{_serve(version, layout)}
		goto refuse
	}}
	chain plain{version} {{
		{put_aside}
		{_farm_of(version)}
		ct mark vmap @pick{version}
		goto nat{version}
	}}
	chain passive{version} {{
		{put_aside}
		ct mark set {protocol} daddr . tcp dport map @passive{version}
		{_put_back(layout)}
		{_dnat(version, layout, "hostrange")}
		goto refuse
	}}
	chain active{version} {{
		{put_aside}
		ct mark set {protocol} saddr . tcp sport map @active{version}
		{_put_back(layout)}
		snat {protocol} to {protocol} saddr . tcp sport map @sourceactive{version}
	}}"""


def _dispatch(version: int) -> str:
    protocol, _ = FAMILIES[version]
    return f"""\
		{protocol} daddr . tcp dport @ftp{version} ct helper set "ftp"
		{protocol} daddr . udp dport @tftp{version} ct helper set "tftp"
		meta l4proto . {protocol} daddr . th dport vmap @service{version}
		{protocol} daddr . tcp dport vmap @range{version}"""


def _checks(version: int) -> str:
    protocol, _ = FAMILIES[version]
    rules = (
        f'tcp dport @ftpcheck{version} ct helper set "ftp"',
        f'udp dport @tftpcheck{version} ct helper set "tftp"',
        f'udp dport @tftpcheck{version} ct timeout set "request"',
    )
    return "\n".join(f"\t\t{protocol} daddr . {rule}" for rule in rules)


def _postrouting(version: int) -> str:
    protocol, _ = FAMILIES[version]
    # Only a SYN: once its flow is deleted, any packet of a connection begins a new flow, and would be translated again.
    active = f"tcp flags & (syn | ack) == syn {protocol} saddr . tcp sport vmap @activeport{version}"
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
		{active}"""
