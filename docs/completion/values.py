"""What a shell offers for the value of a plugin's option."""

from __future__ import annotations

from noidchecks.plugin.common import FORMATS
from noidchecks.plugin.getopt import Option
from noidchecks.plugin.plugin import Plugin

_STATES = ("ok", "warning", "critical", "unknown")
_WORDS = {
    "refuse": ("ok", "warn", "crit"),
    "mismatch": ("ok", "warn", "crit"),
    "data": ("passive", "active", "both"),
    "data-protection": ("P", "C"),
    "mode": ("octet", "netascii"),
    "policy": ("modern", "compatible"),
    "tls-min": ("1.2", "1.3"),
    "output-format": FORMATS,
}
# Files of this machine; the others with this kind of value are the server's.
_FILES = frozenset(
    {"auth-file", "ca-file", "identity", "known-hosts", "passphrase-file", "password-file", "put-local", "get-local"}
)
_HOSTS = frozenset({"hostname", "connect", "get"})


def words_of(option: Option) -> tuple[str, ...]:
    """Returns the words that an option takes, as far as they are known."""
    return _WORDS.get(option.name, _STATES if option.metavar == "STATE" else ())


def is_file(option: Option) -> bool:
    """Tells whether the value is a file or folder of this machine."""
    return option.name in _FILES


def is_host(option: Option) -> bool:
    """Tells whether the value is a host."""
    return option.name in _HOSTS and option.metavar in ("ADDRESS", "HOST")


def names_of(option: Option) -> list[str]:
    """Returns all names of an option with their dashes, the letter first."""
    return [f"-{option.letter}"] * bool(option.letter) + [f"--{name}" for name in (option.name, *option.aliases)]


def commands_of(plugin: Plugin) -> tuple[str, str]:
    """Returns the names under which a plugin may be called: its own, and the one beside the C plugin of that name."""
    return plugin.name, f"noid_{plugin.name}"
