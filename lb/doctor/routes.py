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
    try:
        answer = run([find("ip", "iproute2"), "-j", "address"], timeout=_TIMEOUT)
    except KernelError:
        return []
    return read_addresses(answer.output)


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
    wanted = list(addresses)
    found = {}
    for version in (4, 6):
        asked = [one for one in wanted if one.version == version]
        for one, name in zip(asked, _ask(version, map(str, asked)), strict=False):
            if name:
                found[one] = name
    return found


def default_interface(version: int) -> str:
    """Returns the interface of the default route, "" without one."""
    return next(iter(_ask(version, [_ELSEWHERE[version]])), "")


def rules() -> list[dict[str, Any]]:
    """Returns the policy routing rules of both families, as `ip -j rule` prints them."""
    try:
        argv = find("ip", "iproute2")
        return [
            one
            for family in ("-4", "-6")
            for one in _documents(run([argv, family, "-j", "rule"], timeout=_TIMEOUT).output)
        ]
    except KernelError:
        return []


def _ask(version: int, addresses: Iterable[str]) -> list[str]:
    try:
        argv = [find("ip", "iproute2"), f"-{version}", "-j", "route", "get"]
        return [_device(run([*argv, one], timeout=_TIMEOUT).output) for one in addresses]
    except KernelError:
        return []


def _device(output: bytes) -> str:
    return next((str(one["dev"]) for one in _documents(output) if "dev" in one), "")


def _documents(output: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(output or b"[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
