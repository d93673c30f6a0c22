"""Farms of thousands of backends whose addresses are all this very machine."""

from __future__ import annotations

import subprocess

NETWORK = "10.64.0.0/14"
_FARM = 250


def own_network() -> None:
    """Makes every address of the network this machine's; integration/run has given it a namespace of its own."""
    subprocess.run(["ip", "route", "add", "local", NETWORK, "dev", "lo"], check=True)


def addresses(count: int) -> list[str]:
    """Returns the addresses of the backends."""
    return [f"10.{64 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}" for number in range(count)]


def farms_text(port: int, count: int, interval: float) -> str:
    """Writes FTP farms of 250 backends each, which all answer on one port."""
    lines: list[str] = []
    found = addresses(count)
    for begin in range(0, count, _FARM):
        name = f"f{begin // _FARM}"
        lines += [f"[farms.{name}]", 'protocol = "ftp"', f'vip = "192.0.2.{begin // _FARM + 1}"']
        lines.append("backends = [")
        for number in range(begin, min(begin + _FARM, count)):
            lines.append(f'{{ name = "b{number}", address = "{found[number]}", port = {port} }},')
        lines += ["]", f"guardian = {{ interval = {interval}, fast-interval = {min(1.0, interval)} }}"]
    return "\n".join(lines)
