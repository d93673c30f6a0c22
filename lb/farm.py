"""Farms, their backends and their guards: frozen values, validated on construction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import TypeAlias

from .address import IPAddress, host_errors
from .errors import FarmError, joined
from .guard import Guard

# Names are used in names and comments of nft and in log lines; nft limits comments to 128 bytes.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
NAME_RULE = "must be 1 to 63 letters, digits, '.', '_' or '-', a letter or digit first"
MAX_BACKENDS = 255
MAX_WEIGHT = 100
MAX_STICKY = 7 * 86400
MAX_LIMIT = 2**32 - 2


class Protocol(Enum):
    """The protocol of a farm's clients."""

    FTP = "ftp"
    TFTP = "tftp"
    SFTP = "sftp"
    TCP = "tcp"
    UDP = "udp"

    @property
    def transport(self) -> str:
        """The transport under it: tcp or udp."""
        return "udp" if self in (Protocol.TFTP, Protocol.UDP) else "tcp"

    @property
    def helper(self) -> str:
        """The conntrack helper of the protocol, or ""."""
        return self.value if self in (Protocol.FTP, Protocol.TFTP) else ""

    @property
    def default_ports(self) -> tuple[int, ...]:
        """The ports when the configuration has none; () when it must have them."""
        return {Protocol.FTP: (21,), Protocol.TFTP: (69,), Protocol.SFTP: (22,)}.get(self, ())

    @property
    def default_command(self) -> str:
        """The check command when the configuration has none; "" when it must have one."""
        return {
            Protocol.FTP: "check_ftp -H HOST -p PORT",
            Protocol.TFTP: "check_tftp -H HOST -p PORT",
            Protocol.SFTP: "check_ssh -H HOST -p PORT",
        }.get(self, "")


class Mode(Enum):
    """Whose address the backends see: the balancer's (snat) or the client's (dnat)."""

    SNAT = "snat"
    DNAT = "dnat"


class Scheduler(Enum):
    """How the backend of a new connection is chosen."""

    ROUND_ROBIN = "round-robin"
    RANDOM = "random"
    SOURCE_HASH = "source-hash"
    LEAST_CONNECTIONS = "least-connections"


class BackendState(Enum):
    """Up: gets new connections. Drain: only those of its sticky clients. Down: none."""

    UP = "up"
    DRAIN = "drain"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Condition:
    """How the table treats a backend: its state, and its weight where that differs from the configured one.

    lost holds the IP versions whose address gets no new clients, whatever the state.
    """

    state: BackendState
    weight: int | None = None
    lost: frozenset[int] = frozenset()


# By farm name and backend name; a backend that is missing is as configured.
Conditions: TypeAlias = Mapping[tuple[str, str], Condition]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One server of a farm, with at most one address of each family; port None keeps the VIP's port."""

    name: str
    address: tuple[IPAddress, ...]
    port: int | None = None
    weight: int = 1
    backup: bool = False
    state: BackendState = BackendState.UP
    passive_ports: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if errors := [*self._errors()]:
            raise joined(errors)

    def _errors(self) -> Iterator[FarmError]:
        yield from _name_errors(self.name)
        yield from islice(_address_errors(self.address, "address"), 1)
        yield from _port_errors(() if self.port is None else (self.port,), "port")
        if not 1 <= self.weight <= MAX_WEIGHT:
            yield FarmError("weight", f"must be 1 to {MAX_WEIGHT}, not {self.weight}")
        if self.passive_ports is not None:
            low, high = self.passive_ports
            if not 1 <= low <= high <= 65535:
                yield FarmError("passive-ports", f"must be a range in 1-65535, not {low}-{high}")

    def address_of(self, version: int) -> IPAddress | None:
        """Returns its address of IP version 4 or 6, or None."""
        return next((address for address in self.address if address.version == version), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """A virtual service: clients of its VIPs and ports are spread over its backends.

    source holds fixed snat addresses, at most one of each family (none: masquerade). sticky is in seconds, by client
    address. connection_limit is for each backend. ftps names the data connections that FTP clients make over TLS,
    which no helper can read: passive, active. single_port is for TFTP servers that answer from the port that they were
    asked at. marks are the bits of conntrack marks that a configuration's farms have for themselves (None:
    config/mark_layout.py chooses).
    """

    name: str
    protocol: Protocol
    vip: tuple[IPAddress, ...]
    ports: tuple[int, ...] = ()
    mode: Mode = Mode.SNAT
    source: tuple[IPAddress, ...] = ()
    scheduler: Scheduler = Scheduler.ROUND_ROBIN
    sticky: int | None = None
    connection_limit: int | None = None
    ftps: frozenset[str] = frozenset()
    single_port: bool = False
    backends: tuple[Backend, ...] = field(default=())
    guardian: Guard | None = None
    marks: int | None = None

    def __post_init__(self) -> None:
        ports = self.ports or self.protocol.default_ports
        # Active data connections of FTP come from port 20, and the helper handles them; no client connects to it.
        unserved = 20 if self.protocol is Protocol.FTP else None
        object.__setattr__(self, "ports", tuple(port for port in ports if port != unserved))
        if errors := [*self._errors(ports)]:
            raise joined(errors)

    def _errors(self, given: tuple[int, ...]) -> Iterator[FarmError]:
        yield from _name_errors(self.name)
        yield from islice(self._port_errors(given), 1)
        if error := next(self._vip_errors(), None):
            yield error
        else:
            yield from self._family_errors()
        yield from islice(self._source_errors(), 1)
        yield from self._backend_errors()
        yield from islice(self._ftps_errors(), 1)
        if self.single_port and self.protocol is not Protocol.TFTP:
            yield FarmError("single-port", "is only used by protocol tftp")
        if self.guardian is not None:
            if not self.commands:
                yield FarmError("guardian.command", f"must be given for protocol {self.protocol.value}")
            floor, count = self.guardian.min_backends, len(self.backends)
            if floor > count:
                yield FarmError("guardian.min-backends", f"must be at most the {count} backends, not {floor}")
        if self.sticky is not None and not 1 <= self.sticky <= MAX_STICKY:
            yield FarmError("sticky", f"must be 1s to 7d, not {self.sticky}s")
        if (limit := self.connection_limit) is not None and not 1 <= limit <= MAX_LIMIT:
            yield FarmError("connection-limit", f"must be 1 to {MAX_LIMIT}, not {limit}")

    @property
    def helper(self) -> str:
        """The conntrack helper for its clients' dialogue, or ""."""
        # If a transfer stays on one port, the helper would create an expectation that no packet matches.
        return "" if self.single_port else self.protocol.helper

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions of its VIPs, 4 first."""
        return tuple(sorted({vip.version for vip in self.vip}))

    @property
    def services(self) -> tuple[tuple[str, IPAddress, int], ...]:
        """Everything that the farm answers on, as (transport, VIP, port)."""
        return tuple((self.protocol.transport, vip, port) for vip in self.vip for port in self.ports)

    @property
    def commands(self) -> tuple[str, ...]:
        """The check commands that must all succeed for a backend to serve; () without a guardian."""
        if self.guardian is None:
            return ()
        return self.guardian.commands or tuple(filter(None, (self.protocol.default_command,)))

    def source_of(self, version: int) -> IPAddress | None:
        """Returns the fixed snat address for IP version 4 or 6, or None."""
        return next((address for address in self.source if address.version == version), None)

    def ports_of(self, backend: Backend) -> tuple[int, ...]:
        """Returns the ports on which a backend serves: its own, or all ports of the farm."""
        return self.ports if backend.port is None else (backend.port,)

    def active_ports(self, backend: Backend) -> list[int]:
        """Returns the source ports of a backend's active FTP data connections (RFC 959, section 3.2).

        With some servers it is 20, whatever their control port, with others the control port minus 1.
        """
        return sorted({20, *(port - 1 for port in self.ports_of(backend))} - {0})

    def _port_errors(self, given: tuple[int, ...]) -> Iterator[FarmError]:
        if not given:
            yield FarmError("ports", f"must be given for protocol {self.protocol.value}")
        yield from _port_errors(given, "ports")
        yield from twice_errors(given, "ports")
        if not self.ports:
            yield FarmError("ports", "must hold a control port, 21 for one: 20 is only the source of active data")

    def _vip_errors(self) -> Iterator[FarmError]:
        if not self.vip:
            yield FarmError("vip", "must hold at least one address")
        yield from host_errors(self.vip, "vip")
        yield from twice_errors(self.vip, "vip")

    def _family_errors(self) -> Iterator[FarmError]:
        for version in self.versions if self.backends else ():
            if not any(backend.address_of(version) for backend in self.backends):
                yield FarmError("backends", f"must have an IPv{version} address for the IPv{version} VIP")

    def _source_errors(self) -> Iterator[FarmError]:
        yield from _address_errors(self.source, "source", empty=True)
        if self.source and self.mode is not Mode.SNAT:
            yield FarmError("source", "is only used in mode snat")

    def _backend_errors(self) -> Iterator[FarmError]:
        count = len(self.backends)
        if not 1 <= count <= MAX_BACKENDS:
            yield FarmError("backends", f"must be 1 to {MAX_BACKENDS} backends, not {count}")
            return
        yield from islice(twice_errors([backend.name for backend in self.backends], "backends", "name"), 1)
        vips = set(self.vip)
        servers: dict[tuple[IPAddress, int], str] = {}
        for number, backend in enumerate(self.backends):
            path = f"backends[{number}].address"
            if not vips.isdisjoint(backend.address):
                yield FarmError(path, "must not be a VIP of the farm")
            sockets = [(address, port) for address in backend.address for port in self.ports_of(backend)]
            # One server under two names gets twice its share, and goes down twice.
            twice = next((one for one in sockets if servers.get(one, backend.name) != backend.name), None)
            if twice is not None:
                address, port = twice
                yield FarmError(path, f"must not be {address} port {port}, which is backend {servers[twice]}")
            servers.update((one, backend.name) for one in sockets if one not in servers)

    def _ftps_errors(self) -> Iterator[FarmError]:
        is_ftp = self.protocol is Protocol.FTP
        if not self.ftps <= {"passive", "active"}:
            yield FarmError("ftps", 'must be of "passive" and "active"')
        if self.ftps and not is_ftp:
            yield FarmError("ftps", "is only used by protocol ftp")
        ranges: list[tuple[int, int, str]] = []
        for number, backend in enumerate(self.backends):
            path = f"backends[{number}].passive-ports"
            if backend.passive_ports is None:
                if "passive" in self.ftps:
                    yield FarmError(path, "must be given: ftps cannot be read by a helper")
                continue
            if not is_ftp:
                yield FarmError(path, "are only used by protocol ftp")
            low, high = backend.passive_ports
            for start, end, name in ranges:
                if start <= high and low <= end:
                    yield FarmError(path, f"must not overlap {name}'s: ports tell their clients apart")
            ranges.append((low, high, backend.name))
        if "active" in self.ftps and self.mode is not Mode.DNAT:
            yield FarmError(
                "ftps",
                "cannot be active in mode snat: the server refuses a PORT that is not its peer's address, and inside "
                "TLS the balancer cannot rewrite it; use passive, or mode dnat",
            )


def is_name(text: str) -> bool:
    """Tells whether a farm or a backend may have this name."""
    return _NAME.fullmatch(text) is not None


def _name_errors(name: str) -> Iterator[FarmError]:
    if not is_name(name):
        yield FarmError("name", f"{NAME_RULE}, not {name[:64]!r}")


def _port_errors(ports: tuple[int, ...], path: str) -> Iterator[FarmError]:
    for port in ports:
        if not 1 <= port <= 65535:
            yield FarmError(path, f"must be 1 to 65535, not {port}")


def twice_errors(values: Iterable[object], path: str, what: str = "value") -> Iterator[FarmError]:
    """Yields an error for each repeated value."""
    seen: set[object] = set()
    for value in values:
        if value in seen:
            yield FarmError(path, f"must not hold the {what} {value} twice")
        seen.add(value)


def _address_errors(addresses: tuple[IPAddress, ...], path: str, *, empty: bool = False) -> Iterator[FarmError]:
    if not addresses and not empty:
        yield FarmError(path, "must hold at least one address")
    if len({address.version for address in addresses}) != len(addresses):
        yield FarmError(path, "must hold at most one address of each family")
    yield from host_errors(addresses, path)
