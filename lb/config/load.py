"""The configuration: TOML in, farms out; every error names its path and says what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from noidchecks.errors import UsageError
from noidchecks.plugin.plugin import PLUGINS, InformationWanted, parse as parse_command
from noidchecks.regular import TooLarge, read_regular
from noidchecks.status.text import printable

from ..farm import (
    NAME_RULE,
    Backend,
    BackendState,
    Farm,
    FarmError,
    Guard,
    Mode,
    Protocol,
    Scheduler,
    is_name,
    require_disjoint,
)
from ..guard import OnUnknown, OnWarning, fill_in, words_of
from ..mark_layout import MANY, layout_of
from .pair import Pair, with_sources
from .pair_table import pair_of
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
    require_known,
    shown,
    table_of,
    text_of,
    whole_seconds,
)
from .service import Settings

# 5,000 farms of 4 backends are 3 MB; a file beyond this is not a configuration.
MAX_SIZE = 16 * 1024 * 1024
_EXAMPLE = 'farms.ftp = { protocol = "ftp", vip = "192.0.2.10", backends = [{ name = "b1", address = "10.0.1.11" }] }'


def load(path: str | Path) -> tuple[Farm, ...]:
    """Reads the farms of a TOML file, in its order; FarmError, whose path is the file when it cannot be read."""
    where = printable(str(path))
    try:
        data = read_regular(path, MAX_SIZE)
    except TooLarge as error:
        raise FarmError(where, f"must be at most {MAX_SIZE // 1024 // 1024} MiB") from error
    except (OSError, ValueError) as error:
        raise FarmError(where, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        # Editors of another world put a byte order mark first; it says nothing, and tomllib stumbles over it.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FarmError(where, f"must be UTF-8 text, and byte {error.start} is not") from error
    return farms_of(_document(text, where))


def parse(text: str) -> tuple[Farm, ...]:
    """Reads the farms of a TOML text, in its order; FarmError."""
    return farms_of(_document(text, "configuration"))


def _document(text: str, where: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise FarmError(where, "is not TOML that can be read: nested too deeply") from error
    except ValueError as error:
        # More than TOMLDecodeError: a number of thousands of digits is a plain ValueError.
        raise FarmError(where, f"is not TOML: {printable(str(error))}") from error


def farms_of(document: Mapping[str, object]) -> tuple[Farm, ...]:
    """Makes the farms of a TOML document that tomllib has read; FarmError."""
    require_known(document, ("farms", "service", "pair"), "")
    settings = settings_of(document)
    table = table_of(document.get("farms", {}), "farms")
    if not table:
        raise FarmError("farms", f"must hold at least one farm, such as {_EXAMPLE}")
    farms = tuple(_farm(name, value) for name, value in table.items())
    if settings.marks is not None:
        farms = tuple(replace(farm, marks=settings.marks) for farm in farms)
    require_disjoint(farms)
    _require_marks(farms)
    pair = pair_of(document["pair"]) if "pair" in document else None
    return with_sources(farms, pair) if pair is not None else farms


def pair_in(text: str) -> Pair | None:
    """Reads the pair of a TOML text whose farms are valid; None when it has no such table."""
    document = _document(text, "configuration")
    return pair_of(document["pair"]) if "pair" in document else None


def parse_settings(text: str) -> Settings:
    """Reads the settings of the guardian itself of a TOML text; FarmError."""
    return settings_of(_document(text, "configuration"))


def settings_of(document: Mapping[str, object]) -> Settings:
    """Makes the settings of the guardian itself of a TOML document that tomllib has read; FarmError."""
    return build(Settings, _SERVICE, {}, document.get("service", {}), "service")


def _require_marks(farms: tuple[Farm, ...]) -> None:
    layout = layout_of(farms)
    if len(farms) > layout.farms:
        message = f"are bits for {layout.farms} farms, and there are {len(farms)}: the most is {MANY:#x}"
        raise FarmError("service.marks", message)


def _farm(name: str, value: object) -> Farm:
    if not is_name(name):
        raise FarmError(f"farms.{shown(name)}", f"the name {NAME_RULE}")
    return build(partial(Farm, name=name), _FARM, _FARM_EXAMPLES, value, f"farms.{name}")


class _Ftps(Enum):
    PASSIVE = "passive"
    ACTIVE = "active"


def _ftps(value: object, path: str) -> frozenset[str]:
    return frozenset(one.value for one in one_or_more(partial(one_of, _Ftps), "a string", value, path))


def _command(value: object, path: str) -> str:
    text = text_of(value, path)
    if not text.isprintable():
        raise FarmError(path, f"must be one line without control characters, not {shown(text)}")
    try:
        words = words_of(text)
    except ValueError as error:
        message = f"must be words as a shell splits them: {str(error).lower()} in {shown(text)}"
        raise FarmError(path, message) from None
    if not words or not words[0]:
        raise FarmError(path, f"must begin with a program, not {shown(text)}")
    _require_ours(text, words, path)
    return text


def _require_ours(text: str, words: list[str], path: str) -> None:
    """Reads the options of one of our own plugins, before a backend depends on them."""
    if words[0] not in PLUGINS or any(word.startswith("--extra-opts") for word in words):
        # What stands in a file is its own affair, and may change at any time.
        return
    try:
        parse_command(fill_in(text, "192.0.2.1", 1))
    except InformationWanted:
        raise FarmError(path, f"must check something, not print a text: {shown(text)}") from None
    except UsageError as error:
        raise FarmError(path, f"{printable(str(error))}, in {shown(text)}") from None


def _commands(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FarmError(path, f"must be a list of strings, {but(value)}")
    if not value:
        raise FarmError(path, "must not be empty")
    return tuple(_command(item, f"{path}[{number}]") for number, item in enumerate(value))


def _backends(value: object, path: str) -> tuple[Backend, ...]:
    if not isinstance(value, list):
        raise FarmError(path, f"must be a list of tables, each under [[{path}]], {but(value)}")
    return tuple(
        build(Backend, _BACKEND, _BACKEND_EXAMPLES, item, f"{path}[{number}]") for number, item in enumerate(value)
    )


def _guard(value: object, path: str) -> Guard:
    table = table_of(value, path)
    for key, advice in _REMOVED.items():
        if key in table:
            raise FarmError(f"{path}.{key}", f"is no longer a setting: {advice}")
    if table.get("on-warning") == "half":
        raise FarmError(f"{path}.on-warning", 'can no longer be "half": write "up" or "down"')
    if "command" in table and "commands" in table:
        raise FarmError(f"{path}.commands", "must not be given beside command")
    return build(_make_guard, _GUARD, {}, table, path)


def _make_guard(command: str | None = None, **fields: Any) -> Guard:
    return Guard(**fields if command is None else {**fields, "commands": (command,)})


def _argv(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise FarmError(path, 'must be a list of words like ["/usr/local/bin/tell", "--now"]: there is no shell')
    return tuple(text_of(item, f"{path}[{number}]") for number, item in enumerate(value))


# The keys of each table. What they are turned into is a field of the same name; the model checks what it may hold.
_FARM: dict[str, Reader] = {
    "protocol": partial(one_of, Protocol),
    "vip": addresses,
    "ports": partial(one_or_more, integer, "an integer"),
    "mode": partial(one_of, Mode),
    "source": addresses,
    "scheduler": partial(one_of, Scheduler),
    "sticky": whole_seconds,
    "connection-limit": integer,
    "ftps": _ftps,
    "single-port": flag,
    "backends": _backends,
    "guardian": _guard,
}
_FARM_EXAMPLES = {
    "protocol": 'protocol = "ftp"',
    "vip": 'vip = "192.0.2.10"',
    "backends": 'backends = [{ name = "b1", address = "10.0.1.11" }]',
}
_BACKEND: dict[str, Reader] = {
    "name": text_of,
    "address": addresses,
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

_SERVICE: dict[str, Reader] = {"hook": _argv, "hook-timeout": duration, "metrics": text_of, "marks": integer}
