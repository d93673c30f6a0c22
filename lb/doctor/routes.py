"""Asks ip(8) for this machine's addresses, routes and policy rules; sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any

from ..address import IPAddress
from ..nft.run import KernelError, find, run

_TIMEOUT = 10.0
# Documentation addresses (RFC 5737, RFC 3849), which only a default route can reach.
_ELSEWHERE = {4: "198.51.100.1", 6: "2001:db8::1"}


@dataclass(frozen=True, slots=True)
class Local:
    """An address of this machine, its interface, and whether it is a secondary address there."""

    interface: str
    address: IPv4Interface | IPv6Interface
    is_secondary: bool = False


def local_addresses() -> list[Local]:
    """Returns the addresses of all interfaces; [] when ip(8) fails."""
    return read_addresses(_ip("-j", "address"))


def read_addresses(output: bytes) -> list[Local]:
    """Reads the output of `ip -j address`."""
    found = []
    for link in _documents(output):
        for one in link.get("addr_info", []):
            if "local" in one and "prefixlen" in one:
                address = ip_interface(f"{one['local']}/{one['prefixlen']}")
                found.append(Local(str(link.get("ifname", "")), address, bool(one.get("secondary"))))
    return found


def interfaces_to(addresses: Iterable[IPAddress]) -> dict[IPAddress, str]:
    """Returns the interface of the route to each address; addresses without a route are missing."""
    return {one: name for one in addresses if (name := _interface_to(str(one), one.version))}


def default_interface(version: int) -> str:
    """Returns the interface of the default route, "" without one."""
    return _interface_to(_ELSEWHERE[version], version)


def rules() -> list[dict[str, Any]]:
    """Returns the policy routing rules of both families, as `ip -j rule` prints them."""
    return [one for family in ("-4", "-6") for one in _documents(_ip(family, "-j", "rule"))]


def _interface_to(address: str, version: int) -> str:
    found = _documents(_ip(f"-{version}", "-j", "route", "get", address))
    return next((str(one["dev"]) for one in found if "dev" in one), "")


def _ip(*words: str) -> bytes:
    """Returns the output of ip(8), b"" when it cannot be run."""
    try:
        return run([find("ip", "iproute2"), *words], timeout=_TIMEOUT).output
    except KernelError:
        return b""


def _documents(output: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(output or b"[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
