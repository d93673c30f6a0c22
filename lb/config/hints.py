"""Hints on settings that the kernel cannot apply, or that work only if servers are set up for them."""

from __future__ import annotations

from collections.abc import Iterator

from ..address import IPAddress
from ..farm import Farm, Mode


def faults(farms: tuple[Farm, ...]) -> list[str]:
    """Returns a line for each setting without effect; check refuses it, and apply ignores the setting."""
    return [line for farm in farms if (line := _limit(farm))]


def hints(farms: tuple[Farm, ...]) -> list[str]:
    """Returns the faults, and a line for each setting that works only if servers are set up for it."""
    return [line for farm in farms for line in (_limit(farm), _active(farm)) if line] + [*_crossed(farms)]


def _limit(farm: Farm) -> str:
    if farm.connection_limit is None or farm.protocol.transport != "udp":
        return ""
    return (
        f"farms.{farm.name}.connection-limit has no effect for protocol {farm.protocol.value}: nothing tells "
        "the kernel that a UDP transfer is over, and those over would count for up to 2 min; limit them at the servers"
    )


def _active(farm: Farm) -> str:
    if "active" not in farm.ftps or farm.mode is not Mode.DNAT:
        return ""
    return (
        f"farms.{farm.name}.ftps active works with servers that open data connections from port 20, or from the port "
        "below their own (vsftpd: connect_from_port_20=YES); those from other ports reach the client untranslated"
    )


def _crossed(farms: tuple[Farm, ...]) -> Iterator[str]:
    """Yields a line for each farm with active FTPS of which data connections leave from another VIP.

    The table identifies these connections by the server's address and port, and maps each pair to its first VIP.
    """
    owners: dict[tuple[IPAddress, int], tuple[IPAddress, str]] = {}
    for farm in farms:
        if "active" in farm.ftps:
            yield from [*_claimed(farm, owners)][:1]


def _claimed(farm: Farm, owners: dict[tuple[IPAddress, int], tuple[IPAddress, str]]) -> Iterator[str]:
    for backend in farm.backends:
        for vip in farm.vip:
            address = backend.address_of(vip.version)
            if address is None:
                continue
            claims = {port: owners.setdefault((address, port), (vip, farm.name)) for port in farm.active_ports(backend)}
            lost = [port for port, (first, _) in claims.items() if first != vip]
            if lost:
                first, owner = claims[lost[0]]
                yield (
                    f"farms.{farm.name}.ftps active does not hold for {vip}: data connections of {address} from port "
                    f"{' and '.join(map(str, lost))} leave from {first}, a VIP of farm {owner}, and clients that "
                    "verify their peer drop them; give the server another address for this VIP"
                )
