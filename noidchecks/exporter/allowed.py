"""The allow list of hosts that may be probed. Without it, an exporter would be a port scanner for every client.

An entry is a network, an address, or a pattern of host names. A name that matches a pattern may have any address: the
operator who writes the pattern trusts the zone. Every other name is checked by the addresses that it resolves to,
within the probe and at no other time (admission.py).
"""

from __future__ import annotations

import re
from fnmatch import translate
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from ..status.text import printable
from ..value import Value
from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network

# The default allow list: only this machine.
LOOPBACK = ("127.0.0.0/8", "::1")
_PATTERN = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_*.-]*", re.ASCII)
_NUMBERS = re.compile(r"[0-9.*]+", re.ASCII)


class AllowList(Value):
    """Networks, and patterns of host names as regular expressions."""

    entries: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...]
    names: re.Pattern[str] | None

    def __init__(self, entries: Iterable[str]) -> None:
        entries = tuple(dict.fromkeys(entries))
        networks = []
        names = []
        for entry in entries:
            network = _network(entry)
            if network is not None:
                networks.append(network)
            elif _PATTERN.fullmatch(entry) and not _NUMBERS.fullmatch(entry.replace("*", "")) and entry.strip("."):
                # translate() writes atomic groups, so the time to match a client's name grows only with its length.
                names.append(translate(entry.lower().rstrip(".")))
            else:
                raise ConfigurationError(
                    f"allow: {printable(repr(entry), 80)} is no network such as 10.0.0.0/8, no address and no "
                    "pattern of host names such as *.example.net"
                )
        pattern = re.compile("|".join(names), re.ASCII) if names else None
        self._fill({"entries": entries, "networks": tuple(networks), "names": pattern})

    def has_name(self, host: str) -> bool:
        """Tells whether a pattern matches a host name, ignoring case."""
        return self.names is not None and self.names.fullmatch(host.lower().rstrip(".")) is not None

    def has_address(self, host: str) -> bool:
        """Tells whether a numeric address, an IPv6 one also with a scope, is in one of the networks."""
        try:
            address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            # The kernel connects to the IPv4 address.
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    """Returns the network, or None when the entry is not a network; ConfigurationError when it is malformed."""
    try:
        network = ip_network(entry)
    except (AddressValueError, ValueError):
        pass
    else:
        if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
            raise ConfigurationError(f"allow: {printable(entry)} stands for IPv4 addresses: write them as such")
        return network
    try:
        right = ip_network(entry, strict=False)
    except ValueError:
        return None
    raise ConfigurationError(f"allow: {printable(entry)} has bits behind its prefix: {right} would be the network")
