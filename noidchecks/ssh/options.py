"""The option table of check_ssh."""

from __future__ import annotations

from ..errors import UsageError
from ..files.options import FILE_ROWS
from ..plugin.common import ADDRESS_ROWS, HELP_ROWS, OUTPUT_ROWS, TIME_ROWS, CommonSettings, port, state
from ..plugin.getopt import Option, Plugin
from ..status.text import printable
from .login_options import LOGIN_ROWS, LoginSettings
from .probe import SshProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..plugin.getopt import Scan
    from ..plugin.plugin import Command

_PORT_WORDS = "Port number"
# check_ssh 2.x ignores its own options behind host and port: their letters, none of which is w or c, and these.
_IGNORED = (
    "--extra-opts", "--help", "--hostname", "--port", "--remote-protcol", "--remote-protocol", "--remote-version",
    "--timeout", "--use-ipv4", "--use-ipv6", "--verbose", "--version",
)  # fmt: skip


def _build(scan: Scan) -> Command:
    return build(scan, PLUGIN, {})


def build(scan: Scan, plugin: Plugin, own: dict[str, Any], *, spare_words: bool = True) -> Command:
    """Turns the options into a command; own are settings of the probe from the start; UsageError.

    spare_words tells whether words behind host and port are ignored, as by the C plugin, or refused.
    """
    common = CommonSettings(plugin, show_value=True, endless=True)
    host: str | None = None
    login = LoginSettings()
    for name, value in scan:
        match name:
            case "hostname":
                host = value
            case "port":
                own["port"] = port(value, words=_PORT_WORDS, show_value=True)
            case "overload-state":
                own["overload_state"] = state(value, "Overload state")
            case "remote-version" | "remote-protocol" | "version-pattern" | "min-version":
                own[name.replace("-", "_")] = value
            case "algorithms" | "sftp":
                own[name] = True
            case "forbid" | "require":
                own[name] = (*own.get(name, ()), value)
            case "fingerprint":
                own["fingerprints"] = (*own.get("fingerprints", ()), value)
            case "known-hosts":
                own["known_hosts"] = value
            case "policy":
                own["policy"] = value.lower()
            case _:
                if not login.take(name, value):
                    common.take(name, value)
    # `HOST [PORT]`, each only where no option gave it. The C plugin ignores what is left then; but an option that is
    # read nowhere would be a check that is never made.
    rest = scan.rest
    if host is None:
        if not rest:
            raise UsageError("Could not parse arguments")
        host, *rest = rest
    if rest and "port" not in own:
        _refuse_option(rest[0], "-")
        own["port"] = port(rest.pop(0), words=_PORT_WORDS, show_value=True)
    if rest and not spare_words:
        raise UsageError(f"Unexpected word: {printable(rest[0])}")
    for word in rest:
        if not any(name.startswith(word.partition("=")[0]) for name in _IGNORED):
            _refuse_option(word, "--", "-w", "-c")
    return common.command(SshProbe(host, **own, **login.build(host), **common.probe))


def _refuse_option(word: str, *begins: str) -> None:
    if word.startswith(begins):
        raise UsageError(f"Options must stand before the host - {printable(word)}")


OPTIONS = (
    *HELP_ROWS,
    Option("hostname", "H", "ADDRESS", "Host name, IP address or unix socket (an absolute path)", aliases=("host",)),
    Option("port", "p", "INTEGER", "Port number (22)"),
    *ADDRESS_ROWS,
    Option("remote-version", "r", "STRING", "CRITICAL unless the software version, or it and its comment, is this"),
    Option(
        "remote-protocol",
        "P",
        "STRING",
        "CRITICAL unless the protocol version is this",
        aliases=("remote-protcol",),
    ),
    Option(
        "version-pattern",
        extension=True,
        metavar="REGEX",
        help="CRITICAL unless software version and comment match this",
    ),
    Option(
        "min-version",
        extension=True,
        metavar="VERSION",
        help="CRITICAL if the software is older than this, as 9.6 or 9.6p1",
    ),
    Option(
        "overload-state",
        extension=True,
        metavar="STATE",
        help="State of a server that turns us away for now (warning)",
    ),
    Option("algorithms", extension=True, help="Read the algorithms that the server offers, and count them"),
    Option(
        "forbid",
        extension=True,
        repeatable=True,
        metavar="PATTERN",
        help="CRITICAL if an algorithm is offered that matches this, as *-cbc or kex:*-sha1",
    ),
    Option(
        "require",
        extension=True,
        repeatable=True,
        metavar="PATTERN",
        help="CRITICAL unless an algorithm is offered that matches this",
    ),
    Option(
        "policy",
        extension=True,
        metavar="NAME",
        help="CRITICAL if an algorithm is offered that is against this policy, modern or compatible",
    ),
    Option(
        "fingerprint",
        extension=True,
        repeatable=True,
        metavar="SHA256:...",
        help="CRITICAL unless the server proves to have the host key with this fingerprint",
    ),
    Option(
        "known-hosts",
        extension=True,
        metavar="FILE",
        help="CRITICAL unless the server proves to have a host key that this file has for it",
    ),
    *LOGIN_ROWS,
    Option("sftp", extension=True, help="Open an SFTP session; so do --list, --get and --put"),
    *FILE_ROWS,
    *TIME_ROWS,
    *OUTPUT_ROWS,
)

PLUGIN = Plugin(
    "check_ssh",
    blurb="Try to connect to an SSH server at specified server and port",
    usage="check_ssh  [-4] [-6] [-t <timeout>] [-r <remote version>] [-p <port>] <host>",
    options=OPTIONS,
    build=_build,
)
