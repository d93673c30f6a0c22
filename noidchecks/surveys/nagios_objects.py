"""Reads the services of a running Nagios as targets from its objects.cache, which has all templates resolved."""

from __future__ import annotations

import os
import re
import time

from ..errors import UsageError
from ..plugin.plugin import plugin_of
from ..regular import read_regular
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from .targets import TargetList

    Block = dict[str, str]

SURVEY_VARIABLE = "_SURVEY"
"""A service's custom variable that names the command of the survey, where check_command is for another purpose."""

_MACRO = re.compile(r"\$([^$\s]*)\$")
# The value that Nagios writes for a custom variable without a value, such as one that cancels an inherited one.
_NO_VALUE = "null"
# The tokens of a command line, and the characters that are special to a shell outside of quotes; no shell is run.
_SHELL = re.compile(r"""'[^']*'|"(?:[^"\\$`]|\\.)*"|\\.|[^'"\\]""", re.DOTALL)
_FOR_A_SHELL = frozenset("|&;<>()$`\n")
# Nagios writes the file in place. The seconds since its last change after which it counts as complete, the seconds
# between two attempts, and the seconds after which they end.
_SETTLED = 1.0
_LOOK = 0.25
_PATIENCE = 10.0


def read_objects(path: str, limit: int) -> Generator[float, None, list[bytes]]:
    """Returns the lines of an objects.cache once Nagios is not writing it; yields the seconds to wait before resuming.

    Raises UsageError when the file is not complete after ten seconds; OSError.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        before = _stamp(path)
        lines = read_regular(path, limit).splitlines(keepends=True)
        is_settled = before == _stamp(path) and not 0 <= time.time() - before[0] < _SETTLED
        if is_settled and _is_whole(lines):
            return lines
        if time.monotonic() > until:
            raise UsageError(f"Cannot read {printable(path)}: it is being written, or a part of it is missing")
        yield _LOOK


def _stamp(path: str) -> tuple[float, int, int]:
    found = os.stat(path)
    return found.st_mtime, found.st_ino, found.st_size


def _is_whole(lines: list[bytes]) -> bool:
    """Tells whether the last line ends a block, as in a completely written file."""
    texts = (line.strip() for line in reversed(lines))
    return next((text for text in texts if text and not text.startswith(b"#")), b"") == b"}"


def add_services(
    found: TargetList, name: str, lines: Iterable[bytes], resources: Mapping[str, str], *, passive_only: bool = False
) -> Iterator[None]:
    """Adds every service whose command is a plugin of noidchecks to the targets; yields after each step.

    Complains about services that cannot be added, because of a macro that only Nagios knows or a command line that
    needs a shell. resources are the macros of the resource files, USER1 and so on. passive_only skips services that
    Nagios checks itself or accepts no passive results for.
    """
    hosts: dict[str, Block] = {}
    commands: dict[str, str] = {}
    services: list[tuple[int, Block]] = []
    for number, kind, block in _blocks(lines):
        yield
        if kind == "host":
            hosts[block.get("host_name", "")] = block
        elif kind == "command":
            commands[block.get("command_name", "")] = block.get("command_line", "")
        elif kind == "service" and (_is_passive(block) or not passive_only):
            services.append((number, block))
    for number, service in services:
        yield
        place = f"{printable(name)}:{number}"
        host, description = service.get("host_name", ""), service.get("service_description", "")
        call = service.get(SURVEY_VARIABLE) or service.get("check_command", "")
        command, *arguments = _split(call)
        line = commands.get(command, "")
        macros = _macros(hosts.get(host, {}), service, resources)
        if not _is_ours(_program(line, arguments, macros)):
            continue
        try:
            macros |= {f"ARG{index}": _resolved(text, macros) for index, text in enumerate(arguments, 1)}
            # Arguments that are not given are empty.
            macros = {f"ARG{index}": "" for index in range(1, 33)} | macros
            line = _resolved(line, macros)
            _require_no_shell(line)
        except UsageError as error:
            found.complain(place, f"{printable(description)} on {printable(host)} is left out: {error}")
            continue
        found.add(place, host, description, line)


def read_resources(lines: Iterable[bytes]) -> dict[str, str]:
    """Reads the macros of a resource file, lines like `$USER1$=/usr/lib/nagios/plugins`."""
    macros = {}
    for raw in lines:
        name, equals, value = raw.decode(errors="surrogateescape").strip().partition("=")
        match = _MACRO.fullmatch(name.strip())
        if match and equals:
            macros[match[1]] = value.strip()
    return macros


def _blocks(lines: Iterable[bytes]) -> Iterator[tuple[int, str, Block]]:
    """Yields line number, kind and contents of each `define KIND { ... }`."""
    kind = ""
    block: Block = {}
    start = 0
    for number, raw in enumerate(lines, 1):
        line = raw.decode(errors="surrogateescape").strip()
        if line.startswith("define ") and line.endswith("{"):
            kind, block, start = line[7:-1].strip(), {}, number
        elif line == "}":
            yield start, kind, block
            kind, block = "", {}
        elif kind and line:
            word, *rest = line.split(None, 1)
            block[word] = "" if not rest or (word.startswith("_") and rest[0] == _NO_VALUE) else rest[0]


def _is_passive(service: Block) -> bool:
    return service.get("active_checks_enabled", "1") == "0" and service.get("passive_checks_enabled", "1") == "1"


def _split(call: str) -> list[str]:
    parts = re.split(r"(?<!\\)!", call)
    return [parts[0], *(part.replace("\\!", "!") for part in parts[1:])]


def _macros(host: Block, service: Block, resources: Mapping[str, str]) -> dict[str, str]:
    name = host.get("host_name", "")
    description = service.get("service_description", "")
    macros = {
        **resources,
        "HOSTNAME": name,
        "HOSTADDRESS": host.get("address", name),
        "HOSTALIAS": host.get("alias", name),
        "HOSTDISPLAYNAME": host.get("display_name", name),
        "SERVICEDESC": description,
        "SERVICEDISPLAYNAME": service.get("display_name", description),
        # `$$` is a dollar sign.
        "": "$",
    }
    for kind, block in (("HOST", host), ("SERVICE", service)):
        macros |= {f"_{kind}{word[1:].upper()}": value for word, value in block.items() if word.startswith("_")}
    return macros


def _resolved(text: str, macros: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        known = macros.get(match[1])
        if known is None:
            raise UsageError(f"macro ${printable(match[1])}$ cannot be resolved")
        return known

    return _MACRO.sub(value, text)


def _program(line: str, arguments: Iterable[str], macros: Mapping[str, str]) -> str:
    # The name follows the last slash, even if a macro before it cannot be resolved. It may be an argument: a single
    # command for all plugins is `$USER1$/$ARG1$ -H $HOSTADDRESS$ $ARG2$`.
    known = {**macros, **{f"ARG{index}": _as_known(text, macros) for index, text in enumerate(arguments, 1)}}
    words = _as_known(line, known).split(None, 1)
    return words[0].strip("'\"") if words else ""


def _as_known(text: str, macros: Mapping[str, str]) -> str:
    return _MACRO.sub(lambda match: macros.get(match[1], match[0]), text)


def _is_ours(program: str) -> bool:
    try:
        plugin_of(program)
    except UsageError:
        return False
    return True


def _require_no_shell(line: str) -> None:
    for match in _SHELL.finditer(line):
        if match[0] in _FOR_A_SHELL:
            raise UsageError("the command line needs a shell")
