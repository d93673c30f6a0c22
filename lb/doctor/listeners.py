"""Finds daemons of this machine that a farm hides, because it takes their port on the machine's own address."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from ..address import IPAddress
from ..farm import Farm, Protocol
from .finding import FAULT, WARN, Finding
from .routes import Local

_SSH = 22
# TCP_LISTEN; and TCP_CLOSE, the state of a bound UDP socket.
_LISTENING = {"tcp": "0A", "udp": "07"}


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket; its address may be the unspecified one."""

    transport: str
    address: IPAddress
    port: int


def read_listeners(root: Path) -> list[Listener]:
    """Returns the listening sockets of this network namespace; root has the folder proc."""
    found = []
    for transport, version in ((one, six) for one in _LISTENING for six in ("", "6")):
        try:
            rows = (root / "proc/net" / f"{transport}{version}").read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            _, local, _, state, *_ = row.split()
            if state == _LISTENING[transport]:
                address, _, port = local.partition(":")
                found.append(Listener(transport, _address(address), int(port, 16)))
    return found


def examine_listeners(
    farms: Iterable[Farm],
    waiting: Sequence[Listener],
    here: Sequence[Local],
    source_of: Callable[[IPAddress], str | None],
) -> Iterator[Finding]:
    """Yields a finding for each service whose VIP and port are also a daemon's.

    A daemon that listens on all addresses counts only when the VIP is the machine's own address: on an additional
    address, clients mean the farm.
    """
    vips = {vip for farm in farms for vip in farm.vip}
    for farm in farms:
        for transport, vip, port in farm.services:
            sockets = [one for one in waiting if (one.transport, one.port) == (transport, port) and _takes(one, vip)]
            is_exact = any(one.address == vip for one in sockets)
            if sockets and (is_exact or _is_own(vip, here, vips, source_of)):
                yield _hidden(farm, vip, port, here, vips)


def _hidden(farm: Farm, vip: IPAddress, port: int, here: Sequence[Local], vips: set[IPAddress]) -> Finding:
    is_ssh = farm.protocol is Protocol.SFTP or (port == _SSH and farm.protocol.transport == "tcp")
    what = "sshd" if is_ssh else f"what listens on {farm.protocol.transport} port {port}"
    others = [str(one.address.ip) for one in here if _serves(one, vip) and one.address.ip not in vips]
    reach = f"reach it at {others[0]}; " if others else ""
    text = f"{vip} is this machine's own address: the farm takes the connections to port {port}, and hides {what}"
    cure = f"{reach}give the farm an address of its own (ip address add), or let the daemon listen on another port"
    return Finding(FAULT if is_ssh else WARN, f"farms.{farm.name}.vip", text, cure)


def _takes(listener: Listener, vip: IPAddress) -> bool:
    if listener.address == vip:
        return True
    # An IPv6 socket accepts both families unless IPV6_V6ONLY is set, which /proc does not show.
    return listener.address.is_unspecified and (listener.address.version == vip.version or vip.version == 4)


def _is_own(
    vip: IPAddress, here: Sequence[Local], vips: set[IPAddress], source_of: Callable[[IPAddress], str | None]
) -> bool:
    """Returns whether an address is the machine's main one in its network, and not one that was added for a farm."""
    found = next((one for one in here if one.address.ip == vip), None)
    if found is None:
        return False
    if not any(_serves(one, vip) and one.address.ip not in vips for one in here):
        return True
    network = found.address.network
    if network.num_addresses == 1 or found.is_secondary:
        return False
    neighbour = next((one for one in (network[1], network[-2]) if one != vip), None)
    return neighbour is not None and source_of(neighbour) == str(vip)


def _serves(local: Local, vip: IPAddress) -> bool:
    address = local.address.ip
    return address.version == vip.version and not address.is_loopback and not address.is_link_local


def _address(text: str) -> IPAddress:
    """Reads an address of /proc/net: hexadecimal words of 32 bits in the machine's byte order."""
    data = b"".join(int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8))
    found = ip_address(data)
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
