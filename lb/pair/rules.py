"""Writes the nft table that marks FTP control sessions which cannot be handed over, and resets them after a take-over.

The FTP helper rewrites addresses inside 227 replies, PORT and EPRT. Where the new address is longer or shorter as text,
the kernel shifts the sequence numbers of all later segments, and conntrackd does not transfer the offset. On the other
node such a session would hang. So each node sets its own bit in the mark at the reply or command that changes the
length, conntrackd copies the mark, and the other node answers such a session with a reset: the client then logs in
again at once. Sessions whose text keeps its length, or that use EPSV, go on.
"""

from __future__ import annotations

from itertools import product

from ..address import IPAddress
from ..farm import Farm, Mode, Protocol

TABLE = "noidlb_pair"
LOST = (0x4000_0000, 0x2000_0000)
"""Bits 30 and 29 of the conntrack mark: the first or the second node of the pair has shifted sequence numbers."""

_DIGITS = {1: "0-9", 2: "10-99", 3: "100-255"}
# Clears the bits that distinguish lower from upper case; FTP commands may use both (RFC 959, section 5.3).
_CAPITAL = 0xDFDF_DFDF


def control_ports(farms: tuple[Farm, ...]) -> tuple[int, ...]:
    """Returns the control ports of all FTP farms."""
    return tuple(sorted({port for farm in farms if farm.protocol is Protocol.FTP for port in farm.ports}))


def pair_rules(farms: tuple[Farm, ...], number: int) -> str:
    """Returns the table for node 0 or 1 of the pair."""
    own, others = LOST[number], LOST[1 - number]
    mark = f"ct mark set ct mark or {own:#x}"
    ftp = [farm for farm in farms if farm.protocol is Protocol.FTP]
    lines = [line for farm in ftp for line in (*_passive(farm, mark), *_active(farm))]
    lengths = sorted({len(str(source)) for farm in ftp if (source := _source4(farm))})
    chains = "".join(_same_length(length, mark) for length in lengths)
    ports = ", ".join(map(str, control_ports(farms)))
    # By port, because nft's "ct helper" matches the data connections, not the control connection.
    entry = f"meta l4proto tcp ct original proto-dst {{ {ports} }} jump dialogue" if ports else ""
    ordered = "\n".join(f"\t\t{line}" for line in dict.fromkeys(lines))
    return f"""\
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
{chains}	# All eight groups of the client's address have four digits: its text has 39 characters, as the kernel's.
	chain longest6 {{
		{" ".join(f"@nh,{64 + 16 * group},16 >= 0x1000" for group in range(8))} return
		{mark}
	}}
	chain dialogue {{
		# The notify script deletes these flows too, but a command of the client may arrive before it has run.
		ct mark and {others:#x} == {others:#x} reject with tcp reset
{ordered}
	}}
	chain forwarded {{
		# Before the helper, which rewrites the packet in the hook postrouting.
		type filter hook forward priority -1; policy accept;
		{entry}
	}}
}}
"""


def _passive(farm: Farm, mark: str) -> list[str]:
    """Returns the rules that mark a session at its 227, for VIPs whose text length differs from a backend's address."""
    lines = []
    for vip in farm.vip:
        others = [
            str(one)
            for backend in farm.backends
            for one in backend.address
            if one.version == 4 and len(str(one)) != len(str(vip))
        ]
        if vip.version == 4 and others:
            answer = f"ip saddr {{ {', '.join(others)} }} @ih,0,32 {_word('227 ')}"
            lines.append(f"ct direction reply ct original ip daddr {vip} {answer} {mark}")
    return lines


def _active(farm: Farm) -> list[str]:
    """Returns the rules that mark a session at its PORT or EPRT, where the rewritten address changes its length."""
    lines = []
    commands = f"@ih,0,32 & {_CAPITAL:#x} == {{ {_word('PORT')}, {_word('EPRT')} }}"
    for vip in farm.vip:
        if vip.version == 6:
            lines.append(f"ct direction original ct original ip6 daddr {vip} {commands} jump longest6")
        elif (source := _source4(farm)) is not None:
            chain = f"length{len(str(source))}"
            lines.append(f"ct direction original ct original ip daddr {vip} {commands} jump {chain}")
    return lines


def _same_length(length: int, mark: str) -> str:
    """Returns the chain that marks sessions of clients whose IPv4 address has another text length."""
    rules = []
    for digits in product((1, 2, 3), repeat=4):
        if sum(digits) + 3 == length:
            octets = " ".join(f"@nh,{96 + 8 * place},8 {_DIGITS[count]}" for place, count in enumerate(digits))
            rules.append(f"\t\t{octets} return\n")
    return f"\tchain length{length} {{\n{''.join(rules)}\t\t{mark}\n\t}}\n"


def _source4(farm: Farm) -> IPAddress | None:
    return farm.source_of(4) if farm.mode is Mode.SNAT else None


def _word(text: str) -> str:
    return f"{int.from_bytes(text.encode(), 'big'):#x}"
