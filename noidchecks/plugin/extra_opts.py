"""`--extra-opts=[section][@file]`: options from an ini file, inserted before those of the command line."""

from __future__ import annotations

import os

from ..errors import BareUsageError
from ..regular import read_regular
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NAMES = ("monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini")
_PLACES = (
    "/usr/local/etc/monitoring-plugins/monitoring-plugins.ini",
    "/usr/local/etc/monitoring-plugins.ini",
    "/etc/monitoring-plugins/monitoring-plugins.ini",
    "/etc/monitoring-plugins.ini",
    "/etc/nagios/plugins.ini",
    "/usr/local/nagios/etc/plugins.ini",
    "/usr/local/etc/nagios/plugins.ini",
    "/etc/opt/nagios/plugins.ini",
    "/etc/nagios-plugins.ini",
    "/usr/local/etc/nagios-plugins.ini",
    "/etc/opt/nagios-plugins.ini",
)
# The most bytes of an ini file; with a larger file, the path is a mistake.
_SIZE_LIMIT = 1 << 20
_PATIENCE = 5.0  # seconds until standard input must have ended


def expand(words: Sequence[str], section: str, *, stdin: bool = True) -> list[str]:
    """Removes each --extra-opts and inserts the options of its section (default: the program's name) at the front.

    stdin says whether the file may be `-`, standard input, which only a plugin that runs alone may read, not the many
    checks of a survey or a guardian. Raises BareUsageError for a missing or unreadable file or section.
    """
    front: list[str] = []
    back: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word.startswith("--extra-opts="):
            front += _options(word.partition("=")[2], section, stdin)
        elif word == "--extra-opts":
            has_value = waiting and not waiting[0].startswith("-")
            front += _options(waiting.pop(0) if has_value else "", section, stdin)
        else:
            back.append(word)
    return front + back


def _options(value: str, default_section: str, stdin: bool) -> list[str]:
    section, _, path = value.partition("@")
    section = section or default_section
    path = path or _standard_file()
    if path == "-" and not stdin:
        raise BareUsageError("Can't read config file: standard input is for a plugin alone, not for one of many")
    options = list(_read_section(_lines(path), section))
    if not options:
        raise BareUsageError(f"Invalid section '{printable(section)}' in config file '{printable(path)}'")
    return options


def _standard_file() -> str:
    named = os.environ.get("MP_CONFIG_FILE")
    if named:
        return named
    folders = filter(None, os.environ.get("NAGIOS_CONFIG_PATH", "").split(":"))
    for path in (*(os.path.join(folder, name) for folder in folders for name in _NAMES), *_PLACES):
        if os.path.isfile(path):
            return path
    raise BareUsageError("Cannot find config file in any standard location.")


def _lines(path: str) -> list[str]:
    try:
        data = _standard_input() if path == "-" else read_regular(path, _SIZE_LIMIT)
    except OSError as error:
        raise BareUsageError(f"Can't read config file: {error.strerror}") from None
    return data.decode(errors="surrogateescape").replace("\r\n", "\n").split("\n")


def _standard_input() -> bytes:
    """Reads standard input to its end, for at most 5 seconds: a terminal or an open pipe may never end."""
    from select import POLLIN, poll
    from time import monotonic

    # Not sys.stdin, which is None when it was closed, and fails on undecodable bytes.
    ready = poll()
    ready.register(0, POLLIN)
    deadline = monotonic() + _PATIENCE
    data = b""
    while ready.poll(max(0.0, deadline - monotonic()) * 1000):
        part = os.read(0, 65536)
        data += part
        if not part:
            return data
        if len(data) > _SIZE_LIMIT:
            raise OSError(0, f"standard input has more than {_SIZE_LIMIT >> 20} MiB")
    raise OSError(0, f"standard input has no end after {_PATIENCE:g} seconds")


def _read_section(lines: Iterable[str], section: str) -> Iterator[str]:
    inside, is_another = False, False
    for line in map(str.strip, lines):
        if not line or line[0] in ";#":
            continue
        if line.startswith("["):
            name, bracket, _ = line[1:].partition("]")
            inside = bool(bracket) and name.strip() == section
            is_another = not inside
            continue
        if is_another:
            # A line in the section of another plugin, which may use another syntax.
            continue
        key, equals, value = line.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not key:
            raise BareUsageError("Config file error")
        if inside:
            # The value is appended to a one-letter key: the C plugin's form -k=value is read by getopt as "=value".
            if len(key) == 1:
                yield f"-{key}{value}"
            else:
                yield f"--{key}={value}" if value else f"--{key}"
