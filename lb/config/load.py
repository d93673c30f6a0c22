"""The configuration: TOML in, farms out; every error names its path and says what is allowed."""

from __future__ import annotations

import re
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

from ..errors import Errors, joined
from ..farm import (
    NAME_RULE,
    Backend,
    BackendState,
    Farm,
    FarmError,
    Guard,
    IPAddress,
    Mode,
    Protocol,
    Scheduler,
    is_name,
    require_disjoint,
    require_hosts,
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
    read_each,
    require_known,
    shown,
    table_of,
    text_of,
    whole_seconds,
)
from .service import Settings

# 5,000 farms of 4 backends are 3 MB; a file beyond this is not a configuration.
MAX_SIZE = 16 * 1024 * 1024
# The name of a farm that has backends is a plain one.
_BACKEND_PATH = re.compile(r"farms\.([A-Za-z0-9._-]+)\.backends\[([0-9]+)\]")
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
    errors = Errors()
    settings, pair, found = Settings(), None, list[Farm]()
    with errors:
        require_known(document, ("farms", "service", "pair"), "")
    is_misspelt = bool(errors.found) and "farms" not in document
    with errors:
        settings = settings_of(document)
    with errors:
        table = table_of(document.get("farms", {}), "farms")
        if not table and not is_misspelt:
            raise FarmError("farms", f"must hold at least one farm, such as {_EXAMPLE}")
        for name, value in table.items():
            with errors:
                found.append(_farm(name, value))
    farms = tuple(found if settings.marks is None else (replace(farm, marks=settings.marks) for farm in found))
    with errors:
        require_disjoint(farms)
    with errors:
        _require_marks(farms)
    with errors:
        pair = pair_of(document["pair"]) if "pair" in document else None
        if pair is not None:
            farms = with_sources(farms, pair)
    if errors.found:
        raise joined([_named(error, document) for error in errors.found])
    return farms


def _named(error: FarmError, document: Mapping[str, object]) -> FarmError:
    """Returns the error with the name of the backend that its path leads to, when it has one that can be printed."""
    found = _BACKEND_PATH.match(error.path)
    try:
        name = document["farms"][found[1]]["backends"][int(found[2])]["name"] if found else ""  # type: ignore[index]  # a document of any shape
    except (LookupError, TypeError):
        name = ""
    is_new = not error.backend and isinstance(name, str) and is_name(name)
    return FarmError(error.path, error.message, backend=name) if is_new else error


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
    return build(partial(Farm, name=name), _FARM, _FARM_EXAMPLES, value, f"farms.{name}", judged_by=_FARM_JUDGED_BY)


def _hosts(value: object, path: str) -> tuple[IPAddress, ...]:
    found = addresses(value, path)
    require_hosts(found, path)
    return found


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
    return read_each(_command, value, path)


def _backends(value: object, path: str) -> tuple[Backend, ...]:
    if not isinstance(value, list):
        raise FarmError(path, f"must be a list of tables, each under [[{path}]], {but(value)}")
    return read_each(partial(build, Backend, _BACKEND, _BACKEND_EXAMPLES), value, path, keep=True)


def _guard(value: object, path: str) -> Guard:
    table = table_of(value, path)
    errors = Errors()
    for key, advice in _REMOVED.items():
        errors.require(key not in table, f"{path}.{key}", f"is no longer a setting: {advice}")
    is_half = table.get("on-warning") == "half"
    errors.require(not is_half, f"{path}.on-warning", 'can no longer be "half": write "up" or "down"')
    is_twice = "command" in table and "commands" in table
    errors.require(not is_twice, f"{path}.commands", "must not be given beside command")
    said = {*_REMOVED, *(("on-warning",) if is_half else ()), *(("commands",) if is_twice else ())}
    rest = {key: one for key, one in table.items() if key not in said}
    with errors:
        guard = build(_make_guard, _GUARD, {}, rest, path, judged_by=_GUARD_JUDGED_BY)
    errors.check()
    return guard


def _make_guard(command: str | None = None, **fields: Any) -> Guard:
    return Guard(**fields if command is None else {**fields, "commands": (command,)})


def _argv(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise FarmError(path, 'must be a list of words like ["/usr/local/bin/tell", "--now"]: there is no shell')
    return read_each(text_of, value, path)


# The keys of each table. What they are turned into is a field of the same name; the model checks what it may hold.
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
# What is said of a farm whose backends or mode could not all be read would be wrong.
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

_SERVICE: dict[str, Reader] = {"hook": _argv, "hook-timeout": duration, "metrics": text_of, "marks": integer}
