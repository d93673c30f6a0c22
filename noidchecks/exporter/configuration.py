"""Reads the modules file: TOML with `allow`, the hosts that may be probed, and the table `modules`."""

from __future__ import annotations

import os
import pwd
import re
import tomllib

from ..regular import read_regular
from ..status.text import printable
from ..value import Value
from .allowed import LOOPBACK, AllowList
from .errors import ConfigurationError
from .module import Module, read_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", re.ASCII)


def _built_in() -> dict[str, str]:
    """Returns the command lines of the built-in modules."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return {
        "ftp": "check_ftp",
        "ftp_tls": "check_ftp --starttls",
        "tftp": "check_tftp",
        "ssh": "check_ssh",
        # As sftp(1) does, with the name and the keys of the user who runs the exporter.
        "sftp": f"check_sftp --user {user} --look-for-keys",
    }


class Configuration(Value):
    """The modules by name, and the allow list of targets."""

    modules: dict[str, Module]
    allowed: AllowList

    def __init__(self, modules: Mapping[str, Module], allowed: AllowList) -> None:
        self._fill({"modules": dict(modules), "allowed": allowed})

    __hash__ = None  # type: ignore[assignment]  # the modules are a dict


def read_configuration(path: str, allow: Iterable[str] = ()) -> Configuration:
    """Reads a modules file, "" for none; allow has additional entries. Raises ConfigurationError with one sentence.

    Without a key allow in the file and without additional entries, only loopback may be probed.
    """
    text = _text(path) if path else ""
    document = _document(path, text)
    unknown = document.keys() - {"allow", "modules"}
    if unknown:
        name = printable(min(unknown), 60)
        raise _wrong(path, f"unknown key {name}: modules stand in the table [modules], hosts in allow")
    entries = document.get("allow", [])
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise _wrong(path, 'allow must be a list such as ["10.0.0.0/8", "*.example.net"]')
    table = document.get("modules", {})
    if not isinstance(table, dict):
        raise _wrong(path, "modules must be a table: [modules]")
    try:
        allowed = AllowList((*entries, *allow) or (() if "allow" in document else LOOPBACK))
    except ConfigurationError as error:
        raise _wrong(path, str(error)) from None
    modules = _usable_or_not()
    for name, line in table.items():
        try:
            modules[name] = _module(name, line)
        except ConfigurationError as error:
            raise _wrong(f"{path}:{_line_of(name, text)}", str(error)) from None
    return Configuration(modules, allowed)


def _module(name: str, line: object) -> Module:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"module {printable(repr(name), 80)}: its name may have letters, digits, _, - and .")
    if not isinstance(line, str):
        raise ConfigurationError(f"module {name} must be a command line in quotes")
    return read_module(name, line)


def _line_of(name: str, text: str) -> int:
    """Returns the number of the line that defines a module as a plain key, 1 if none is found."""
    key = re.compile(rf"""\s*(modules\.)?["']?{re.escape(name)}["']?\s*=""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if key.match(line)), 1)


def _usable_or_not() -> dict[str, Module]:
    modules = {}
    for name, line in _built_in().items():
        try:
            modules[name] = read_module(name, line)
        except ConfigurationError as error:
            why = str(error).removeprefix(f"module {name}: ")
            modules[name] = Module(name, line, fault=f"{why}; write a module of your own with --user and --identity")
    return modules


def _text(path: str) -> str:
    try:
        return read_regular(path, _MOST_BYTES).decode()
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _wrong(path, "is not UTF-8") from None


def _document(path: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _wrong(path, f"is not TOML: {printable(str(error), 200)}") from None


def _wrong(path: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{printable(path)}: {why}" if path else why)
