"""What a configuration asks for that the kernel, or a server, will not do as it is meant: said where it is written."""

from __future__ import annotations

from ..farm import Farm, Mode


def faults(farms: tuple[Farm, ...]) -> list[str]:
    """Returns what has no effect; check refuses it, and apply serves the farms without it."""
    return [line for farm in farms if (line := _limit(farm))]


def hints(farms: tuple[Farm, ...]) -> list[str]:
    """Returns the faults, and what holds only if servers are set up for it."""
    return [line for farm in farms for line in (_limit(farm), _active(farm)) if line]


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
