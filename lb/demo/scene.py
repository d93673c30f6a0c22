"""Who is where in the demonstration, and the farms of it as an operator would write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

VIP = "192.0.2.10"
CLIENT = "192.0.2.100"
GATEWAY = "192.0.2.1"
FILE = "whoami.txt"
# What a backend's FTP server announces; the half-dead one has them closed.
PASSIVE_PORTS = (50000, 50100)

_FARMS = """\
[farms.{protocol}]
protocol = "{protocol}"
vip = "{vip}"

[farms.{protocol}.guardian]
command = "{command}"
interval = "1s"
fast-interval = "300ms"
timeout = "1s"
rise = 2
fall = 2
"""
_BACKEND = """
[[farms.{protocol}.backends]]
name = "{name}"
address = "{address}"
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a backend listens."""

    ftp: int = 21
    tftp: int = 69
    sftp: int = 22


@dataclass(frozen=True, slots=True)
class Host:
    """A backend: its name, which is also that of its namespace, its address, its way to the balancer, its ports."""

    number: int
    ports: Ports = Ports()

    @property
    def name(self) -> str:
        """Its name in the farms."""
        return f"b{self.number}"

    @property
    def address(self) -> str:
        """Its address."""
        return f"198.51.100.{4 * self.number + 2}"

    @property
    def gateway(self) -> str:
        """The balancer's address on the way to it."""
        return f"198.51.100.{4 * self.number + 1}"


HOSTS = (Host(1), Host(2), Host(3))


def half_dead(folder: Path) -> Path:
    """Returns the file that makes the backend that serves a folder half dead, for as long as it is there."""
    return folder.with_name(f"{folder.name}.half-dead")


def commands(host: str = "HOST", port: str = "") -> dict[str, str]:
    """Returns the command that watches the backends of each farm; the ports are those of the protocol without port."""
    option = f" -p {port}" if port else ""
    return {
        "ftp": f"check_ftp -H {host}{option} --data passive --get {FILE} -t 1",
        "tftp": f"check_tftp -H {host}{option} -f {FILE} -t 1",
        "sftp": f"check_ssh{option} -t 1 {host}",
    }


def farms(hosts: tuple[Host, ...] = HOSTS, watch: dict[str, str] | None = None) -> str:
    """Returns the configuration: a farm for each protocol, all of them on the same backends."""
    text = []
    for protocol, command in (watch or commands()).items():
        text.append(_FARMS.format(protocol=protocol, vip=VIP, command=command))
        for host in hosts:
            text.append(_BACKEND.format(protocol=protocol, name=host.name, address=host.address))
            port = getattr(host.ports, protocol)
            if port != getattr(Ports(), protocol):
                text.append(f"port = {port}\n")
        text.append("\n")
    return "".join(text)
