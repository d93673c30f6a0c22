"""IP addresses, and whether an address can be that of one host on the network."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from .errors import FarmError

IPAddress: TypeAlias = IPv4Address | IPv6Address


def address_order(address: IPAddress) -> tuple[int, int]:
    """Returns the sort key of an address: IPv4 before IPv6."""
    return address.version, int(address)


def is_special(address: IPAddress) -> bool:
    """Tells whether an address cannot be that of one host on the network, such as loopback or multicast."""
    if isinstance(address, IPv4Address):
        # The equivalent properties of IPv4Address take ten times as long, and there are thousands of backends.
        number = int(address)
        return number >> 24 == 127 or number >> 28 == 0xE or number in (0, 0xFFFF_FFFF)
    return address.is_multicast or address.is_unspecified or address.is_loopback or address.ipv4_mapped is not None


def host_errors(addresses: tuple[IPAddress, ...], path: str) -> Iterator[FarmError]:
    """Yields an error for each address that cannot be that of one host, or has a zone or needs one."""
    for address in addresses:
        if isinstance(address, IPv6Address):
            # A zone is free text, which must not reach nft, nor an error that prints the address.
            if address.scope_id is not None:
                yield FarmError(path, "must not have a zone ('%' and what follows)")
            # Without a zone, the kernel accepts it, but cannot send to it: EINVAL. IPv4 has no zones: 169.254/16 works.
            elif address.is_link_local:
                link_local = f"must not be link-local, as {address} is: nft cannot say on which link"
                yield FarmError(path, f"{link_local}; take a global or unique local (fd00::/8) address")
        if is_special(address):
            yield FarmError(path, f"must be the address of one host on the network, not {address}")
