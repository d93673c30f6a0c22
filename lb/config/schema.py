"""Reads the values of a TOML file; every error names its path and says what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from ipaddress import ip_address
from typing import Any, TypeAlias, TypeVar

from noidchecks.duration import seconds

from ..address import IPAddress
from ..errors import FarmError, joined

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
# Converts the TOML value at a path into a value of the model; FarmError.
Reader: TypeAlias = Callable[[object, str], Any]

# bool precedes int, of which it is a subclass.
_KINDS = {str: "a string", bool: "a boolean", int: "an integer", float: "a float", list: "a list", dict: "a table"}
_PORT_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")


def build(
    kind: Callable[..., T],
    readers: Mapping[str, Reader],
    examples: Mapping[str, str],
    value: object,
    path: str,
    *,
    judged_by: Mapping[str, tuple[str, ...]] | None = None,
) -> T:
    """Constructs a part of the model from a table; FarmError with all errors.

    examples has an example of each required key. judged_by maps a key to the paths that cannot be judged without it.
    """
    table = table_of(value, path)
    if examples.keys() <= table.keys() <= readers.keys():
        try:
            return kind(**{_field(key): readers[key](given, f"{path}.{key}") for key, given in table.items()})
        except FarmError:
            # The table is read once more below, to find all errors.
            pass
    raise _errors_of(kind, readers, examples, table, path, judged_by or {})


def _errors_of(
    kind: Callable[..., T],
    readers: Mapping[str, Reader],
    examples: Mapping[str, str],
    table: Mapping[str, object],
    path: str,
    judged_by: Mapping[str, tuple[str, ...]],
) -> FarmError:
    """Returns all errors of a table from which a part of the model cannot be constructed."""
    errors = list(unknown_keys(table, readers, path))
    misspelt = {_nearest(key, readers) for key in table if key not in readers}
    for key, example in examples.items():
        if key not in table and key not in misspelt:
            errors.append(FarmError(f"{path}.{key}", f"is missing; write it like {example}"))
    fields: dict[str, object] = {}
    unjudged: list[str] = []
    positions: dict[str, str] = {}
    for key, given in table.items():
        if key not in readers:
            continue
        try:
            fields[_field(key)] = readers[key](given, f"{path}.{key}")
        except FarmError as error:
            errors += error.all
            unjudged += (key, *judged_by.get(key, ()))
            if error.partial is not None:
                fields[_field(key)] = tuple(error.partial.values())
                positions |= {f"{key}[{now}]": f"{key}[{then}]" for now, then in enumerate(error.partial)}
    if all(_field(key) in fields for key in examples):
        try:
            # The model may find further errors in the values that could be read.
            kind(**fields)
        except FarmError as error:
            errors += _below(path, error.all, positions, unjudged)
    return joined(errors)


def _below(
    path: str, errors: Iterable[FarmError], positions: Mapping[str, str], unjudged: Sequence[str]
) -> Iterator[FarmError]:
    """Yields the errors of a part, with its path and the positions of the file, but none at the unjudged paths."""
    for one in errors:
        head, dot, rest = one.path.partition(".")
        if head in positions:
            yield FarmError(f"{path}.{positions[head]}{dot}{rest}", one.message, backend=one.backend)
        elif not any(re.match(rf"{re.escape(key)}(?![a-z-])", one.path) for key in unjudged):
            yield FarmError(f"{path}.{one.path}", one.message, backend=one.backend)


def _field(key: str) -> str:
    return key.replace("-", "_")


def read_each(read: Callable[[object, str], T], items: list[object], path: str, *, keep: bool = False) -> tuple[T, ...]:
    """Reads the items of a list; FarmError with all errors and, if keep is set, with the items that could be read."""
    errors, found = list[FarmError](), dict[int, T]()
    for number, item in enumerate(items):
        try:
            found[number] = read(item, f"{path}[{number}]")
        except FarmError as error:
            errors += error.all
    if errors:
        whole = joined(errors)
        whole.partial = found if keep else None
        raise whole
    return tuple(found.values())


def unknown_keys(table: Mapping[str, object], known: Collection[str], path: str) -> Iterator[FarmError]:
    """Yields an error for each unknown key, with the most similar known key."""
    for key in table:
        if key not in known:
            near = _nearest(key, known)
            hint = f": did you mean '{near}'?" if near else f"; known are {', '.join(known)}"
            yield FarmError(path, f"unknown key {shown(key)}{hint}")


def _nearest(given: str, known: Collection[str]) -> str:
    """Returns the known word that is most similar to the given one, "" when none is similar."""
    # Imported here because only errors need it.
    from difflib import get_close_matches

    # The comparison takes quadratic time, and the known words are short.
    return next(iter(get_close_matches(given[:40].lower().replace("_", "-"), known, n=1)), "")


def table_of(value: object, path: str) -> dict[str, object]:
    """Returns a value that is a table; FarmError."""
    if not isinstance(value, dict):
        raise FarmError(path, f"must be a table, {but(value)}")
    return value


def text_of(value: object, path: str, what: str = "a string") -> str:
    """Returns a value that is a string; FarmError."""
    if not isinstance(value, str):
        raise FarmError(path, f"must be {what}, {but(value)}")
    return value


def flag(value: object, path: str) -> bool:
    """Returns a value that is true or false; FarmError."""
    if not isinstance(value, bool):
        raise FarmError(path, f"must be true or false, {but(value)}")
    return value


def integer(value: object, path: str, what: str = "an integer") -> int:
    """Returns a value that is an integer of 64 bits; FarmError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise FarmError(path, f"must be {what}, {but(value)}")
    if not -(2**63) <= value < 2**63:
        raise FarmError(path, "must be an integer of 64 bits, as all of TOML are")
    return value


def one_or_more(read: Callable[[object, str, str], T], what: str, value: object, path: str) -> tuple[T, ...]:
    """Reads one value, or a list of at least one."""
    if not isinstance(value, list):
        return (read(value, path, f"{what} or a list of them"),)
    if not value:
        raise FarmError(path, "must not be empty")
    return read_each(lambda item, where: read(item, where, what), value, path)


def address(value: object, path: str, what: str) -> IPAddress:
    """Reads an IP address, but no host name; FarmError."""
    text = text_of(value, path, what)
    try:
        return ip_address(text)
    except ValueError:
        message = f"must be an IPv4 or IPv6 address, not {shown(text)}; names are not looked up"
        raise FarmError(path, message) from None


addresses = partial(one_or_more, address, "a string")


def one_of(kind: type[E], value: object, path: str, what: str = "a string") -> E:
    """Reads the value of an enumeration; FarmError with the most similar one."""
    given = text_of(value, path, what)
    try:
        return kind(given)
    except ValueError:
        allowed = [str(member.value) for member in kind]
        near = _nearest(given, allowed)
        hint = f": did you mean '{near}'?" if near else ""
        raise FarmError(path, f"must be one of {', '.join(allowed)}, not {shown(given)}{hint}") from None


def duration(value: object, path: str) -> float:
    """Reads seconds, written as a number or like "5m"; FarmError."""
    wanted = 'must be a duration like "500ms", "5s", "5m", "1h" or "1d", or a number of seconds'
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FarmError(path, f"{wanted}, {but(value)}")
    if isinstance(value, str):
        found = seconds(value)
        if found is None:
            raise FarmError(path, f"{wanted}, not {shown(value)}")
        return found
    return value if isinstance(value, float) else float(integer(value, path))


def whole_seconds(value: object, path: str) -> int:
    """Reads a duration without fractions of a second; FarmError."""
    found = duration(value, path)
    # From 2**53 on, every float is an integer, whatever was written.
    if not (abs(found) < 2**53 and found.is_integer()):
        raise FarmError(path, f"must be whole seconds, not {shown(value)}")
    return int(found)


def port_range(value: object, path: str) -> tuple[int, int]:
    """Reads a range of ports, first and last; FarmError."""
    text = text_of(value, path)
    match = _PORT_RANGE.fullmatch(text)
    if match is None:
        raise FarmError(path, f'must be a range like "50000-50099", not {shown(text)}')
    return int(match[1]), int(match[2])


def but(value: object) -> str:
    """Describes a value of the wrong type, such as "not a string: 'x'"."""
    kind = next((name for kind, name in _KINDS.items() if isinstance(value, kind)), "a date or time")
    return f"not {kind}" if isinstance(value, (list, dict)) else f"not {kind}: {shown(value)}"


def shown(value: object) -> str:
    """Returns a value for an error message: one short line without control characters."""
    if isinstance(value, bool):
        return str(value).lower()
    # TOML's hexadecimal numbers may exceed Python's limit of decimal digits.
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 64 bits"
    text = repr(value[:61]) if isinstance(value, str) else str(value)
    return text if len(text) <= 64 else f"{text[:60]}..."
