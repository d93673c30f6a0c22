"""The constant part of the table: maps, sets and chains, the same for every configuration."""

from __future__ import annotations

from lb.marks import BACKEND_MASK, FARM_MASK, SNAT_BIT

TABLE = "noidlb"
# Raised when the text below changes its meaning: a table of another version is replaced as a whole, once.
VERSION = 1
# Any number will do, but always the same one: without a seed each load of the rules would deal the clients anew.
SEED = 0x1B0AD
# nft 1.0.6 cannot use an IPv6 address and a mark together as the key of a map that rules write to.
_CLIENT6 = f"jhash ip6 saddr mod 4294967295 seed {SEED:#x}"
_BASE = f"ct mark and {SNAT_BIT | FARM_MASK:#x}"

# The families of the packet path: IP version -> (the expression of the protocol, the type of its addresses).
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}


def skeleton() -> str:
    """Returns the table without any element, as nft text."""
    families = "\n".join(_family(version) for version in FAMILIES)
    dispatch = "\n".join(_dispatch(version) for version in FAMILIES)
    postrouting = "\n".join(_postrouting(version) for version in FAMILIES)
    return f"""\
table inet {TABLE} {{
	comment "noidlb {VERSION}"
	ct helper ftp {{ type "ftp" protocol tcp; l3proto inet; }}
	ct helper tftp {{ type "tftp" protocol udp; l3proto inet; }}
	set full {{ type mark; ct count over 4294967294; }}
	chain refuse {{
		counter
		meta l4proto tcp reject with tcp reset
		reject with icmpx port-unreachable
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
{postrouting}
		ct status dnat ct mark and {SNAT_BIT:#x} == {SNAT_BIT:#x} masquerade
	}}
}}
"""


def pick_chain(scheduler: str, version: int, slots: int, lane: int) -> tuple[str, str]:
    """Returns name and rule of the chain that picks a slot: scheduler is rr, random or hash."""
    protocol = FAMILIES[version][0]
    number = {
        "rr": f"numgen inc mod {slots}",
        "random": f"numgen random mod {slots}",
        "hash": f"jhash {protocol} saddr mod {slots} seed {SEED:#x}",
    }[scheduler]
    # Each round-robin chain counts for itself: with one counter, two farms that take turns would each see every
    # second number, and with it every second backend.
    name = f"{scheduler}{version}-{slots}-{lane}" if scheduler == "rr" else f"{scheduler}{version}-{slots}"
    return name, f"ct mark set ct mark . {number} map @slot{version}"


def sticky_chain(version: int, seconds: int) -> tuple[str, str]:
    """Returns name and rules of the chain for sticky farms with that time."""
    protocol = FAMILIES[version][0]
    client = _CLIENT6 if version == 6 else f"{protocol} saddr"
    key = f"{_BASE} . {client}"
    remember = f"update @sticky{version} {{ {key} timeout {seconds}s : ct mark }}"
    return f"sticky{version}-{seconds}", "\n\t\t".join((
        f"ct mark set meta l4proto . {protocol} daddr . th dport map @farm{version}",
        f"ct mark set ct mark . {client} map @sticky{version}",
        f"ct mark and {BACKEND_MASK:#x} == 0 ct mark vmap @pick{version}",
        "ct mark @full goto refuse",
        f"{remember} {_to_backend(version)}",
        _to_host(version),
        # Reached only when the remembered backend is gone: forget it (an update keeps the old data) and pick anew.
        f"delete @sticky{version} {{ {key} : ct mark }}",
        f"ct mark set {_BASE}",
        f"ct mark vmap @pick{version}",
        "ct mark @full goto refuse",
        f"{remember} {_to_backend(version)}",
        _to_host(version),
        "goto refuse",
    ))  # fmt: skip


def _to_backend(version: int) -> str:
    return f"meta l4proto {{ tcp, udp }} dnat {FAMILIES[version][0]} to ct mark map @backend{version}"


def _to_host(version: int) -> str:
    # Without a port: the client's stays.
    return f"meta l4proto {{ tcp, udp }} dnat {FAMILIES[version][0]} to ct mark map @host{version}"


def _pick_again(version: int) -> str:
    # Each look-up reads the newest generation: a packet can read its slot before a change and the backend after it, and
    # would be refused though others serve. It picks once more, from what is there now.
    return f"""\
		ct mark set {_BASE}
		ct mark vmap @pick{version}
		ct mark @full goto refuse
		{_to_backend(version)}
		{_to_host(version)}"""


def _family(version: int) -> str:
    protocol, address = FAMILIES[version]
    plain_key = f"type mark . {address} : mark"
    by_client = "typeof ct mark . numgen inc mod 4294967295 : ct mark" if version == 6 else plain_key
    return f"""\
	set ftp{version} {{ type {address} . inet_service; }}
	set tftp{version} {{ type {address} . inet_service; }}
	map service{version} {{ type inet_proto . {address} . inet_service : verdict; }}
	map farm{version} {{ type inet_proto . {address} . inet_service : mark; }}
	map pick{version} {{ type mark : verdict; }}
	map slot{version} {{ typeof ct mark . numgen inc mod 65536 : ct mark; }}
	map backend{version} {{ type mark : {address} . inet_service; counter; }}
	map sticky{version} {{ {by_client}; flags dynamic,timeout; timeout 7d; size 262144; }}
	map range{version} {{ type {address} . inet_service : verdict; flags interval; }}
	map passive{version} {{ type {address} . inet_service : mark; flags interval; }}
	map host{version} {{ type mark : {address}; counter; }}
	map source{version} {{ type mark : {address}; }}
	map active{version} {{ type {address} . inet_service : {address}; }}
	chain nat{version} {{
		ct mark @full goto refuse
		{_to_backend(version)}
		{_to_host(version)}
{_pick_again(version)}
		goto refuse
	}}
	chain plain{version} {{
		ct mark set meta l4proto . {protocol} daddr . th dport map @farm{version}
		ct mark vmap @pick{version}
		goto nat{version}
	}}
	chain passive{version} {{
		ct mark set {protocol} daddr . tcp dport map @passive{version}
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
    return f"""\
		snat {protocol} to ct mark and {FARM_MASK:#x} map @source{version}
		meta l4proto tcp snat {protocol} to {protocol} saddr . tcp sport map @active{version}"""
