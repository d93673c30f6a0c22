"""Reads a farms file into one Configuration, and parses it once; an error names its path and says what is allowed."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from noidchecks.regular import TooLarge, read_regular
from noidchecks.status.text import printable

from ..errors import Errors, FarmError, joined
from ..farm import Farm, is_name
from .farms import disjoint_errors, farm_of, require_marks
from .schema import table_of, unknown_keys
from .service import Settings, settings_of

if TYPE_CHECKING:
    from .pair import Pair

# 5,000 farms of 4 backends are 3 MB; a file beyond this is not a configuration.
MAX_SIZE = 16 * 1024 * 1024
# The backends of a farm are read only if the farm's name is valid.
_BACKEND_PATH = re.compile(r"farms\.([A-Za-z0-9._-]+)\.backends\[([0-9]+)\]")
_EXAMPLE = 'farms.ftp = { protocol = "ftp", vip = "192.0.2.10", backends = [{ name = "b1", address = "10.0.1.11" }] }'


@dataclass(frozen=True)
class Configuration:
    """The contents of a farms file.

    text is the whole file: the state folder keeps it, and the nodes of a pair compare its digest. document is the file
    as tomllib returns it. names are those of all its farms in their order if only one farm was read, otherwise ().
    """

    farms: tuple[Farm, ...]
    settings: Settings = field(default_factory=Settings)
    pair: Pair | None = None
    text: str = ""
    names: tuple[str, ...] = ()
    document: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def digest(self) -> str:
        """The hash of the text, which must be the same on both nodes of a pair."""
        return digest_of(self.text)


def digest_of(text: str) -> str:
    """Returns the SHA-256 of the text of a farms file, in hexadecimal digits."""
    # Imported here because only commands that compare two files need it.
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def load(path: str | os.PathLike[str]) -> Configuration:
    """Reads a farms file, with the farms in its order; FarmError, whose path is the file when it cannot be read."""
    return parse(read_text(path), printable(str(path)))


def read_text(path: str | os.PathLike[str]) -> str:
    """Reads the text of a farms file, of at most 16 MiB; FarmError."""
    where = printable(str(path))
    try:
        data = read_regular(path, MAX_SIZE)
    except TooLarge as error:
        raise FarmError(where, f"must be at most {MAX_SIZE // 1024 // 1024} MiB") from error
    except (OSError, ValueError) as error:
        raise FarmError(where, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        # Without the byte order mark that some editors write first, which tomllib refuses.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FarmError(where, f"must be UTF-8 text, and byte {error.start} is not") from error


def parse(text: str, where: str = "configuration") -> Configuration:
    """Reads the text of a farms file; FarmError, whose path is where when the text as a whole is wrong."""
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise FarmError(where, "is not TOML that can be read: nested too deeply") from error
    except ValueError as error:
        # More than TOMLDecodeError: a number of thousands of digits is a plain ValueError.
        raise FarmError(where, f"is not TOML: {printable(str(error))}") from error
    return from_document(document, text, where)


def from_document(
    document: Mapping[str, object], text: str = "", where: str = "configuration", *, only: str | None = None
) -> Configuration:
    """Makes a configuration from a document as tomllib returns it; FarmError with all errors.

    only names the single farm to read, from a text that was validated before: conflicts between farms are not found.
    Without such a farm, all farms are read.
    """
    errors = Errors()
    settings, found, names = Settings(), list[Farm](), tuple[str, ...]()
    pair: Pair | None = None
    for error in unknown_keys(document, ("farms", "service", "pair"), where):
        errors.add(error)
    is_misspelt = bool(errors.found) and "farms" not in document
    with errors:
        settings = settings_of(document.get("service", {}))
    with errors:
        table = table_of(document.get("farms", {}), "farms")
        if not table and not is_misspelt:
            raise FarmError("farms", f"must hold at least one farm, such as {_EXAMPLE}")
        if only in table:
            names = tuple(table)
            table = {only: table[only]}
        for name, value in table.items():
            with errors:
                found.append(farm_of(name, value))
    farms = tuple(found if settings.marks is None else (replace(farm, marks=settings.marks) for farm in found))
    for error in disjoint_errors(farms):
        errors.add(error)
    with errors:
        require_marks(farms)
    with errors:
        if "pair" in document:
            # Imported here because most balancers are not part of a pair.
            from .pair import pair_of, with_sources

            pair = pair_of(document["pair"])
            farms = with_sources(farms, pair)
    if errors.found:
        raise joined([_named(error, document) for error in errors.found])
    return Configuration(farms, settings, pair, text, names, document)


def _named(error: FarmError, document: Mapping[str, object]) -> FarmError:
    """Returns the error with the name of the backend at its path, if that name is valid."""
    found = _BACKEND_PATH.match(error.path)
    try:
        name = document["farms"][found[1]]["backends"][int(found[2])]["name"] if found else ""  # type: ignore[index]  # a document of any shape
    except (LookupError, TypeError):
        name = ""
    is_new = not error.backend and isinstance(name, str) and is_name(name)
    return FarmError(error.path, error.message, backend=name) if is_new else error
