"""The texts of --help and --version, made from the option table."""

from __future__ import annotations

from .. import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .getopt import Option
    from .plugin import Plugin

_COLUMN = 36
_WIDTH = 100


def version_text(plugin: Plugin) -> str:
    """Returns the line of --version."""
    return f"{plugin.name} v{__version__} (noidchecks {__version__})"


def usage_text(plugin: Plugin) -> str:
    """Returns the usage text that follows a usage error."""
    lines = ["Usage:", *plugin.usage.splitlines()]
    for number, row in enumerate(filter(plugin.in_usage, plugin.options)):
        word = _usage(row)
        if number and len(lines[-1]) + len(word) < _WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def help_text(plugin: Plugin) -> str:
    """Returns the text of --help."""
    rows = "\n".join(_row(option) for option in plugin.options)
    return f"{version_text(plugin)}\n\n{plugin.blurb}\n\n{usage_text(plugin)}\n\nOptions:\n{rows}"


def _usage(option: Option) -> str:
    name = f"-{option.letter}" if option.letter else f"--{option.name}"
    value = f" <{option.metavar.lower()}>" if option.metavar else ""
    return f"[{name}{value}]{'...' if option.repeatable else ''}"


def _row(option: Option) -> str:
    left = f" {option}={option.metavar}" if option.metavar else f" {option}"
    more = " (repeatable)" if option.repeatable else ""
    aliases = "".join(f", also --{alias}" for alias in option.aliases)
    words = f"{option.help}{aliases}{more}"
    return f"{left:<{_COLUMN}} {words}" if len(left) < _COLUMN else f"{left}\n{'':<{_COLUMN}} {words}"
