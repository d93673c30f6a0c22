"""The configuration: TOML in, farms out; every error names its path and says what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import Enum
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from lb.farm import (
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
)
from lb.guard import OnUnknown, OnWarning, fill_in, words_of
from lb.pair import Pair, with_sources
from lb.settings import SYNC, Settings
from noidchecks.duration import seconds
from noidchecks.errors import UsageError
from noidchecks.plugin.command import PLUGINS, InformationWanted, parse as parse_command
from noidchecks.status.text import printable

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
# Turns the TOML value at a path into what the model holds; FarmError.
Reader: TypeAlias = Callable[[object, str], Any]

# 5,000 farms of 4 backends are 3 MB; a file beyond this is not a configuration.
MAX_SIZE = 16 * 1024 * 1024
_EXAMPLE = 'farms.ftp = { protocol = "ftp", vip = "192.0.2.10", backends = [{ name = "b1", address = "10.0.1.11" }] }'
# bool stands before int, which it is a kind of.
_KINDS = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", list: "a list", dict: "a table"}
_PORT_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")


def load(path: str | Path) -> tuple[Farm, ...]:
    """Reads the farms of a TOML file, in its order; FarmError, whose path is the file when it cannot be read."""
    where = printable(str(path))
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        raise FarmError(where, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > MAX_SIZE:
        raise FarmError(where, f"must be at most {MAX_SIZE // 1024 // 1024} MiB")
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
    # Not above: it reads its table with what stands here.
    from lb.pair_config import pair_of

    _require_known(document, ("farms", "service", "pair"), "")
    settings = settings_of(document)
    table = _table(document.get("farms", {}), "farms")
    if not table:
        raise FarmError("farms", f"must hold at least one farm, such as {_EXAMPLE}")
    farms = tuple(_farm(name, value) for name, value in table.items())
    require_disjoint(farms)
    pair = pair_of(document["pair"]) if "pair" in document else None
    _require_sync(settings, pair)
    return with_sources(farms, pair) if pair is not None else farms


def pair_in(text: str) -> Pair | None:
    """Reads the pair of a TOML text whose farms are valid; None when it has no such table."""
    from lb.pair_config import pair_of

    document = _document(text, "configuration")
    return pair_of(document["pair"]) if "pair" in document else None


def parse_settings(text: str) -> Settings:
    """Reads the settings of the guardian itself of a TOML text; FarmError."""
    return settings_of(_document(text, "configuration"))


def settings_of(document: Mapping[str, object]) -> Settings:
    """Makes the settings of the guardian itself of a TOML document that tomllib has read; FarmError."""
    return _build(Settings, _SERVICE, {}, document.get("service", {}), "service")


def _require_sync(settings: Settings, pair: Pair | None) -> None:
    if settings.endpoint is None or settings.endpoint[0] != SYNC:
        return
    if pair is None:
        raise FarmError("service.metrics", "must not be on the link of a pair where there is no [pair]")
    if any(one.is_link_local for node in pair.nodes for one in node.sync.address):
        raise FarmError("service.metrics", "must not be on a link whose addresses need a zone (link-local)")


def _farm(name: str, value: object) -> Farm:
    if not is_name(name):
        raise FarmError(f"farms.{_shown(name)}", f"the name {NAME_RULE}")
    return _build(partial(Farm, name=name), _FARM, _FARM_EXAMPLES, value, f"farms.{name}")


def _build(
    kind: Callable[..., T], readers: Mapping[str, Reader], examples: Mapping[str, str], value: object, path: str
) -> T:
    """Makes a part of the model from a table; examples are of the keys that it must have."""
    table = _table(value, path)
    _require_known(table, readers, path)
    for key, example in examples.items():
        if key not in table:
            raise FarmError(f"{path}.{key}", f"is missing; write it like {example}")
    fields = {key.replace("-", "_"): readers[key](given, f"{path}.{key}") for key, given in table.items()}
    try:
        return kind(**fields)
    except FarmError as error:
        raise FarmError(f"{path}.{error.path}", error.message) from None


def _require_known(table: Mapping[str, object], known: Mapping[str, object] | tuple[str, ...], path: str) -> None:
    for key in table:
        if key not in known:
            raise FarmError(path or "configuration", f"unknown key {_shown(key)}{_nearest(key, known)}")


def _nearest(given: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    # The comparison is quadratic in the length, and no key is longer than a few words.
    near = get_close_matches(given[:40].lower().replace("_", "-"), known, n=1)
    return f": did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"


def _table(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise FarmError(path, f"must be a table, {_but(value)}")
    return value


def _text(value: object, path: str, what: str = "a string") -> str:
    if not isinstance(value, str):
        raise FarmError(path, f"must be {what}, {_but(value)}")
    return value


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise FarmError(path, f"must be true or false, {_but(value)}")
    return value


def _integer(value: object, path: str, what: str = "an integer") -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise FarmError(path, f"must be {what}, {_but(value)}")
    if not -(2**63) <= value < 2**63:
        raise FarmError(path, "must be an integer of 64 bits, as all of TOML are")
    return value


def _some(read: Callable[[object, str, str], T], what: str, value: object, path: str) -> tuple[T, ...]:
    """Reads one value, or a list of at least one."""
    if not isinstance(value, list):
        return (read(value, path, f"{what} or a list of them"),)
    if not value:
        raise FarmError(path, "must not be empty")
    return tuple(read(item, f"{path}[{number}]", what) for number, item in enumerate(value))


def _address(value: object, path: str, what: str) -> IPAddress:
    text = _text(value, path, what)
    try:
        return ip_address(text)
    except ValueError:
        message = f"must be an IPv4 or IPv6 address, not {_shown(text)}; names are not looked up"
        raise FarmError(path, message) from None


def _one_of(kind: type[E], value: object, path: str, what: str = "a string") -> E:
    given = _text(value, path, what)
    try:
        return kind(given)
    except ValueError:
        allowed = [str(member.value) for member in kind]
        near = get_close_matches(given[:40].lower(), allowed, n=1)
        hint = f": did you mean '{near[0]}'?" if near else ""
        raise FarmError(path, f"must be one of {', '.join(allowed)}, not {_shown(given)}{hint}") from None


class _Ftps(Enum):
    PASSIVE = "passive"
    ACTIVE = "active"


def _ftps(value: object, path: str) -> frozenset[str]:
    return frozenset(one.value for one in _some(partial(_one_of, _Ftps), "a string", value, path))


def _duration(value: object, path: str) -> float:
    wanted = 'must be a duration like "500ms", "5s", "5m", "1h" or "1d", or a number of seconds'
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FarmError(path, f"{wanted}, {_but(value)}")
    if isinstance(value, str):
        found = seconds(value)
        if found is None:
            raise FarmError(path, f"{wanted}, not {_shown(value)}")
        return found
    return value if isinstance(value, float) else float(_integer(value, path))


def _whole_seconds(value: object, path: str) -> int:
    found = _duration(value, path)
    # Not is_integer() alone: infinity must not reach int().
    if not (abs(found) < 2**53 and found.is_integer()):
        raise FarmError(path, f"must be whole seconds, not {_shown(value)}")
    return int(found)


def _port_range(value: object, path: str) -> tuple[int, int]:
    text = _text(value, path)
    match = _PORT_RANGE.fullmatch(text)
    if match is None:
        raise FarmError(path, f'must be a range like "50000-50099", not {_shown(text)}')
    return int(match[1]), int(match[2])


def _command(value: object, path: str) -> str:
    text = _text(value, path)
    if not text.isprintable():
        raise FarmError(path, f"must be one line without control characters, not {_shown(text)}")
    try:
        words = words_of(text)
    except ValueError as error:
        message = f"must be words as a shell splits them: {str(error).lower()} in {_shown(text)}"
        raise FarmError(path, message) from None
    if not words or not words[0]:
        raise FarmError(path, f"must begin with a program, not {_shown(text)}")
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
        raise FarmError(path, f"must check something, not print a text: {_shown(text)}") from None
    except UsageError as error:
        raise FarmError(path, f"{printable(str(error))}, in {_shown(text)}") from None


def _commands(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FarmError(path, f"must be a list of strings, {_but(value)}")
    if not value:
        raise FarmError(path, "must not be empty")
    return tuple(_command(item, f"{path}[{number}]") for number, item in enumerate(value))


def _backends(value: object, path: str) -> tuple[Backend, ...]:
    if not isinstance(value, list):
        raise FarmError(path, f"must be a list of tables, each under [[{path}]], {_but(value)}")
    return tuple(
        _build(Backend, _BACKEND, _BACKEND_EXAMPLES, item, f"{path}[{number}]") for number, item in enumerate(value)
    )


def _guard(value: object, path: str) -> Guard:
    table = _table(value, path)
    if "command" in table and "commands" in table:
        raise FarmError(f"{path}.commands", "must not be given beside command")
    return _build(_make_guard, _GUARD, {}, table, path)


def _make_guard(command: str | None = None, **fields: Any) -> Guard:
    return Guard(**fields if command is None else {**fields, "commands": (command,)})


def _argv(value: object, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise FarmError(path, 'must be a list of words like ["/usr/local/bin/tell", "--now"]: there is no shell')
    return tuple(_text(item, f"{path}[{number}]") for number, item in enumerate(value))


_addresses = partial(_some, _address, "a string")

# The keys of each table. What they are turned into is a field of the same name; the model checks what it may hold.
_FARM: dict[str, Reader] = {
    "protocol": partial(_one_of, Protocol),
    "vip": _addresses,
    "ports": partial(_some, _integer, "an integer"),
    "mode": partial(_one_of, Mode),
    "source": _addresses,
    "scheduler": partial(_one_of, Scheduler),
    "sticky": _whole_seconds,
    "connection-limit": _integer,
    "ftps": _ftps,
    "backends": _backends,
    "guardian": _guard,
}
_FARM_EXAMPLES = {
    "protocol": 'protocol = "ftp"',
    "vip": 'vip = "192.0.2.10"',
    "backends": 'backends = [{ name = "b1", address = "10.0.1.11" }]',
}
_BACKEND: dict[str, Reader] = {
    "name": _text,
    "address": _addresses,
    "port": _integer,
    "weight": _integer,
    "backup": _flag,
    "state": partial(_one_of, BackendState),
    "passive-ports": _port_range,
}
_BACKEND_EXAMPLES = {"name": 'name = "b1"', "address": 'address = "10.0.1.11"'}
_GUARD: dict[str, Reader] = {
    "command": _command,
    "commands": _commands,
    "interval": _duration,
    "fast-interval": _duration,
    "down-interval": _duration,
    "timeout": _duration,
    "rise": _integer,
    "fall": _integer,
    "jitter": _integer,
    "on-warning": partial(_one_of, OnWarning),
    "on-unknown": partial(_one_of, OnUnknown),
    "cut-connections": _flag,
    "slow-start": _duration,
    "min-backends": _integer,
}

_SERVICE: dict[str, Reader] = {"hook": _argv, "hook-timeout": _duration, "metrics": _text}


def _but(value: object) -> str:
    """Returns "not a string: 'x'": what stands where another kind of value must."""
    kind = next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "a date or time")
    return f"not {kind}" if isinstance(value, (list, dict)) else f"not {kind}: {_shown(value)}"


def _shown(value: object) -> str:
    """Returns a value as an error may print it: one short line, nothing that a terminal would obey."""
    if isinstance(value, bool):
        return str(value).lower()
    # TOML's hexadecimal numbers may be longer than Python agrees to print.
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 64 bits"
    text = repr(value[:61]) if isinstance(value, str) else str(value)
    return text if len(text) <= 64 else f"{text[:60]}..."
