"""The same farms in the words of noidlb and of nftlb."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A farm as far as both know it; its backends are b1, b2 ... on the port of the VIP."""

    name: str
    vip: str
    port: int
    backends: tuple[str, ...]
    protocol: str = "ftp"
    mode: str = "snat"


def fleet(count: int, backends: int) -> list[Service]:
    """Makes FTP farms named f0000, f0001 ..., whose addresses are nowhere; at most 65,000."""
    return [
        Service(
            name=f"f{number:04}",
            vip=f"10.100.{number // 250}.{number % 250 + 1}",
            port=21,
            backends=tuple(f"10.{101 + one}.{number // 250}.{number % 250 + 1}" for one in range(backends)),
        )
        for number in range(count)
    ]


def noidlb_text(services: list[Service]) -> str:
    """Writes the farms file of noidlb."""
    return "".join(map(_noidlb_farm, services))


def nftlb_text(services: list[Service]) -> str:
    """Writes the configuration of nftlb, which wants all values as strings and the name in front."""
    return json.dumps({"farms": [_nftlb_farm(one) for one in services]}, indent=1)


def _noidlb_farm(one: Service) -> str:
    lines = [f"[farms.{one.name}]", f'protocol = "{one.protocol}"', f'vip = "{one.vip}"', f"ports = [{one.port}]"]
    lines.append(f'mode = "{one.mode}"')
    for number, address in enumerate(one.backends, 1):
        lines += [f"[[farms.{one.name}.backends]]", f'name = "b{number}"', f'address = "{address}"']
    return "\n".join((*lines, ""))


def _nftlb_farm(one: Service) -> dict[str, object]:
    return {
        "name": one.name,
        "family": "ipv4",
        "virtual-addr": one.vip,
        "virtual-ports": str(one.port),
        "mode": one.mode,
        "protocol": "tcp",
        "scheduler": "rr",
        "helper": "ftp" if one.protocol == "ftp" else "none",
        "state": "up",
        "backends": [
            {"name": f"b{number}", "ip-addr": address, "port": str(one.port), "weight": "1", "state": "up"}
            for number, address in enumerate(one.backends, 1)
        ],
    }
