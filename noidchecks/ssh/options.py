"""The option table of check_ssh."""

from __future__ import annotations

from ..errors import UsageError
from ..files.options import FILE_ROWS
from ..plugin.common import ADDRESS_ROWS, HELP_ROWS, OUTPUT_ROWS, Given, filled, port, state, time_rows, timeout
from ..plugin.getopt import Option
from ..plugin.plugin import Plugin
from ..status.text import printable
from .login_options import LOGIN_ROWS, login_settings
from .probe import SshProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..plugin.getopt import Scan
    from ..plugin.plugin import Command

# check_ssh 2.x ignores its own options after host and port: the short ones, which do not include w and c, and these.
_IGNORED = (
    "--extra-opts", "--help", "--hostname", "--port", "--remote-protcol", "--remote-protocol", "--remote-version",
    "--timeout", "--use-ipv4", "--use-ipv6", "--verbose", "--version",
)  # fmt: skip


def _build(scan: Scan) -> Command:
    return build(scan, PLUGIN, {})


def build(scan: Scan, plugin: Plugin, own: dict[str, Any], *, spare_words: bool = True) -> Command:
    """Converts the options to a command; own are initial settings of the probe; raises UsageError.

    With spare_words, further words after host and port are ignored, as by the C plugin; otherwise they are refused.
    """
    given = Given(plugin)
    settings = given.settings
    settings |= own
    host: str | None = None
    for name, value in scan:
        if name == "hostname":
            host = value
        else:
            given.take(name, value)
    # The words are `HOST [PORT]`, each only if no option gave it. The C plugin ignores further words, but an ignored
    # option would be a check that is never made.
    rest = scan.rest
    if host is None:
        if not rest:
            raise UsageError("Could not parse arguments")
        host, *rest = rest
    if rest and "port" not in settings:
        _refuse_option(rest[0], "-")
        settings["port"] = _port(rest.pop(0))
    if rest and not spare_words:
        raise UsageError(f"Unexpected word: {printable(rest[0])}")
    for word in rest:
        if not any(name.startswith(word.partition("=")[0]) for name in _IGNORED):
            _refuse_option(word, "--", "-w", "-c")
    settings |= login_settings(given, host)
    return given.command(SshProbe(host, **settings))


def _port(text: str, _title: str = "") -> int:
    return port(text, "Port number", show_value=True)


def _timeout(text: str, _title: str) -> dict[str, object]:
    return timeout(text, show_value=True, endless=True)


def _policy(text: str, title: str) -> str:
    return filled(text, title).lower()


def _refuse_option(word: str, *begins: str) -> None:
    if word.startswith(begins):
        raise UsageError(f"Options must stand before the host - {printable(word)}")


ROWS = (
    *HELP_ROWS,
    Option("hostname", "H", "ADDRESS", "Host name, IP address or unix socket (an absolute path)", aliases=("host",)),
    Option("port", "p", "INTEGER", "Port number (22)", field="port", read=_port),
    *ADDRESS_ROWS,
    Option(
        "remote-version",
        "r",
        "STRING",
        "CRITICAL unless the software version, or it and its comment, is this",
        field="remote_version",
    ),
    Option(
        "remote-protocol",
        "P",
        "STRING",
        "CRITICAL unless the protocol version is this",
        aliases=("remote-protcol",),
        field="remote_protocol",
    ),
    Option(
        "version-pattern",
        extension=True,
        metavar="REGEX",
        help="CRITICAL unless software version and comment match this",
        field="version_pattern",
        read=filled,
    ),
    Option(
        "min-version",
        extension=True,
        metavar="VERSION",
        help="CRITICAL if the software is older than this, as 9.6 or 9.6p1",
        field="min_version",
        read=filled,
    ),
    Option(
        "overload-state",
        extension=True,
        metavar="STATE",
        help="State of a server that turns us away for now (warning)",
        field="overload_state",
        read=state,
    ),
    Option(
        "algorithms",
        extension=True,
        help="Read the algorithms that the server offers, and count them",
        field="algorithms",
    ),
    Option(
        "forbid",
        extension=True,
        repeatable=True,
        metavar="PATTERN",
        help="CRITICAL if an algorithm is offered that matches this, as *-cbc or kex:*-sha1",
        field="forbid",
    ),
    Option(
        "require",
        extension=True,
        repeatable=True,
        metavar="PATTERN",
        help="CRITICAL unless an algorithm is offered that matches this",
        field="require",
    ),
    Option(
        "policy",
        extension=True,
        metavar="NAME",
        help="CRITICAL if an algorithm is offered that is against this policy, modern or compatible",
        field="policy",
        read=_policy,
    ),
    Option(
        "fingerprint",
        extension=True,
        repeatable=True,
        metavar="SHA256:...",
        help="CRITICAL unless the server proves to have the host key with this fingerprint",
        field="fingerprints",
    ),
    Option(
        "known-hosts",
        extension=True,
        metavar="FILE",
        help="CRITICAL unless the server proves to have a host key that this file has for it",
        field="known_hosts",
        read=filled,
    ),
    *LOGIN_ROWS,
    Option("sftp", extension=True, help="Open an SFTP session; so do --list, --get and --put", field="sftp"),
    *FILE_ROWS,
    *time_rows(_timeout),
    *OUTPUT_ROWS,
)

PLUGIN = Plugin(
    "check_ssh",
    blurb="Try to connect to an SSH server at specified server and port",
    usage="check_ssh  [-4] [-6] [-t <timeout>] [-r <remote version>] [-p <port>] <host>",
    rows=ROWS,
    build=_build,
)
