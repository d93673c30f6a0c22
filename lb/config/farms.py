"""Reads the tables [farms.NAME] of a farms file, and validates farms against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from noidchecks.errors import UsageError
from noidchecks.plugin.plugin import PLUGINS, InformationWanted, parse as parse_command
from noidchecks.plugin.redact import redacted
from noidchecks.status.text import printable

from ..address import IPAddress, host_errors
from ..errors import Errors, FarmError
from ..farm import NAME_RULE, Backend, BackendState, Farm, Mode, Protocol, Scheduler, is_name, twice_errors
from ..guard import Guard, OnUnknown, OnWarning, fill_in, words_of
from .mark_layout import MANY, layout_of
from .schema import (
    Reader,
    addresses,
    build,
    but,
    duration,
    flag,
    integer,
    one_of,
    one_or_more,
    port_range,
    read_each,
    shown,
    table_of,
    text_of,
    whole_seconds,
)

# Transport, VIP and port.
Service: TypeAlias = tuple[str, IPAddress, int]


def farm_of(name: str, value: object) -> Farm:
    """Reads one table [farms.NAME] as tomllib returns it; FarmError."""
    if not is_name(name):
        raise FarmError(f"farms.{shown(name)}", f"the name {NAME_RULE}")
    return build(partial(Farm, name=name), _FARM, _FARM_EXAMPLES, value, f"farms.{name}", judged_by=_FARM_JUDGED_BY)


def disjoint_errors(farms: tuple[Farm, ...]) -> Iterator[FarmError]:
    """Yields the conflicts between farms: of names, services (transport, VIP, port), addresses and passive ports."""
    yield from islice(twice_errors([farm.name for farm in farms], "farms", "name"), 1)
    owners: dict[Service, Farm] = {}
    for farm in farms:
        for service in farm.services:
            if (owner := owners.setdefault(service, farm)) is not farm:
                transport, vip, port = service
                message = f"{transport} {vip} port {port} belongs to farm {owner.name}: it must not be claimed twice"
                yield FarmError(f"farms.{farm.name}.vip", message)
    yield from _address_errors(farms, {vip: owner.name for (_, vip, _), owner in owners.items()})
    yield from _passive_port_errors(farms, owners)


def _address_errors(farms: tuple[Farm, ...], vips: Mapping[IPAddress, str]) -> Iterator[FarmError]:
    """Yields an error for each source that is a backend's address, and for each backend whose address is a VIP."""
    served = {address: farm.name for farm in farms for backend in farm.backends for address in backend.address}
    for farm in farms:
        for source in farm.source:
            if source in served:
                # The farm's backends would send their replies to that backend instead of the balancer.
                message = f"must not be the address of a backend, as {source} is of farm {served[source]}"
                yield FarmError(f"farms.{farm.name}.source", message)
        for number, backend in enumerate(farm.backends):
            for address in backend.address:
                if address in vips:
                    # A packet is translated once: sent to a VIP, it would end at the balancer's own daemon.
                    message = f"must not be a VIP, as {address} is of farm {vips[address]}"
                    yield FarmError(f"farms.{farm.name}.backends[{number}].address", message)


def _passive_port_errors(farms: tuple[Farm, ...], owners: Mapping[Service, Farm]) -> Iterator[FarmError]:
    """Yields an error for passive ports that overlap those of another farm or a service's port, on the same VIP."""
    ranges: dict[IPAddress, list[tuple[int, int, Farm, str]]] = {}
    for farm in farms:
        for number, backend in enumerate(farm.backends):
            if backend.passive_ports is None:
                continue
            path = f"farms.{farm.name}.backends[{number}].passive-ports"
            low, high = backend.passive_ports
            for vip in farm.vip:
                for start, end, other, _ in ranges.get(vip, []):
                    if other is not farm and low <= end and start <= high:
                        yield FarmError(path, f"must not overlap {start}-{end} of farm {other.name} on {vip}")
                ranges.setdefault(vip, []).append((low, high, farm, path))
    for (transport, vip, port), owner in owners.items():
        for low, high, _, path in ranges.get(vip, []):
            if transport == "tcp" and low <= port <= high:
                yield FarmError(path, f"must not hold port {port} on {vip}, which belongs to farm {owner.name}")


def require_marks(farms: tuple[Farm, ...]) -> None:
    """Checks that the bits of the conntrack marks suffice for these farms; FarmError."""
    layout = layout_of(farms)
    if len(farms) > layout.farms:
        message = f"are bits for {layout.farms} farms, and there are {len(farms)}: the most is {MANY:#x}"
        raise FarmError("service.marks", message)


def _hosts(value: object, path: str) -> tuple[IPAddress, ...]:
    found = addresses(value, path)
    for error in host_errors(found, path):
        raise error
    return found


class _Ftps(Enum):
    PASSIVE = "passive"
    ACTIVE = "active"


def _ftps(value: object, path: str) -> frozenset[str]:
    return frozenset(one.value for one in one_or_more(partial(one_of, _Ftps), "a string", value, path))


def _command(value: object, path: str) -> str:
    text = text_of(value, path)
    if not text.isprintable():
        raise FarmError(path, f"must be one line without control characters, not {shown(redacted(text))}")
    try:
        words = words_of(text)
    except ValueError as error:
        message = f"must be words as a shell splits them: {str(error).lower()} in {shown(redacted(text))}"
        raise FarmError(path, message) from None
    if not words or not words[0]:
        raise FarmError(path, f"must begin with a program, not {shown(text)}")
    _require_ours(text, words, path)
    return text


def _require_ours(text: str, words: list[str], path: str) -> None:
    """Validates the options of a command that runs a plugin of noidchecks, before a backend depends on them."""
    if words[0] not in PLUGINS or any(word.startswith("--extra-opts") for word in words):
        # Options in the file of --extra-opts may change at any time, so they are not validated here.
        return
    try:
        parse_command(fill_in(text, "192.0.2.1", 1))
    except InformationWanted:
        raise FarmError(path, f"must check something, not print a text: {shown(redacted(text))}") from None
    except UsageError as error:
        raise FarmError(path, f"{printable(str(error))}, in {shown(redacted(text))}") from None


def _commands(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FarmError(path, f"must be a list of strings, {but(value)}")
    if not value:
        raise FarmError(path, "must not be empty")
    return read_each(_command, value, path)


def _backends(value: object, path: str) -> tuple[Backend, ...]:
    if not isinstance(value, list):
        raise FarmError(path, f"must be a list of tables, each under [[{path}]], {but(value)}")
    return read_each(partial(build, Backend, _BACKEND, _BACKEND_EXAMPLES), value, path, keep=True)


def _guard(value: object, path: str) -> Guard:
    table = table_of(value, path)
    wrong = {key: f"is no longer a setting: {advice}" for key, advice in _REMOVED.items() if key in table}
    if table.get("on-warning") == "half":
        wrong["on-warning"] = 'can no longer be "half": write "up" or "down"'
    if "command" in table and "commands" in table:
        wrong["commands"] = "must not be given beside command"
    errors = Errors()
    for key, message in wrong.items():
        errors.add(FarmError(f"{path}.{key}", message))
    rest = {key: one for key, one in table.items() if key not in wrong}
    with errors:
        guard = build(_make_guard, _GUARD, {}, rest, path, judged_by=_GUARD_JUDGED_BY)
    errors.check()
    return guard


def _make_guard(command: str | None = None, **fields: Any) -> Guard:
    return Guard(**fields if command is None else {**fields, "commands": (command,)})


# The keys of each table and their readers. The values become fields of the same names, which the model validates.
_FARM: dict[str, Reader] = {
    "protocol": partial(one_of, Protocol),
    "vip": _hosts,
    "ports": partial(one_or_more, integer, "an integer"),
    "mode": partial(one_of, Mode),
    "source": _hosts,
    "scheduler": partial(one_of, Scheduler),
    "sticky": whole_seconds,
    "connection-limit": integer,
    "ftps": _ftps,
    "single-port": flag,
    "backends": _backends,
    "guardian": _guard,
}
# Errors about these settings would be wrong when the backends or the mode could not be read completely.
_FARM_JUDGED_BY = {"backends": ("guardian.min-backends",), "mode": ("source", "ftps")}
_FARM_EXAMPLES = {
    "protocol": 'protocol = "ftp"',
    "vip": 'vip = "192.0.2.10"',
    "backends": 'backends = [{ name = "b1", address = "10.0.1.11" }]',
}
_BACKEND: dict[str, Reader] = {
    "name": text_of,
    "address": _hosts,
    "port": integer,
    "weight": integer,
    "backup": flag,
    "state": partial(one_of, BackendState),
    "passive-ports": port_range,
}
_BACKEND_EXAMPLES = {"name": 'name = "b1"', "address": 'address = "10.0.1.11"'}
# Keys of earlier versions, and what to do about them.
_REMOVED = {
    "jitter": "remove it, for probes are spread over the interval anyway",
    "down-interval": "remove it, for backends that are down are probed at the interval",
}
_GUARD_JUDGED_BY = {"interval": ("fast-interval",)}
_GUARD: dict[str, Reader] = {
    "command": _command,
    "commands": _commands,
    "interval": duration,
    "fast-interval": duration,
    "timeout": duration,
    "rise": integer,
    "fall": integer,
    "on-warning": partial(one_of, OnWarning),
    "on-unknown": partial(one_of, OnUnknown),
    "cut-connections": flag,
    "slow-start": duration,
    "min-backends": integer,
    "shared-check": flag,
}
