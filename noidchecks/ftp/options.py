"""The option table of check_ftp."""

from __future__ import annotations

from ..errors import UsageError
from ..plugin.common import ADDRESS_ROWS, HELP_ROWS, OUTPUT_ROWS, TIME_ROWS, CommonSettings, integer, port
from ..plugin.getopt import Option
from ..plugin.plugin import Plugin
from ..status.state import State
from ..status.text import printable
from .deep_options import DEEP_ROWS, DeepSettings
from .probe import FtpProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..plugin.getopt import Scan
    from ..plugin.plugin import Command

OPTIONS = (
    *HELP_ROWS,
    Option("hostname", "H", "ADDRESS", "Host name, address, or path of a unix socket (127.0.0.1)"),
    Option("port", "p", "PORT", "TCP port (21)"),
    *ADDRESS_ROWS,
    Option("escape", "E", help="Read \\n, \\r, \\t and \\\\ in the send and quit strings that follow"),
    Option("send", "s", "STRING", "Send this after connecting, before anything is read"),
    Option("expect", "e", "STRING", "Expect this in the answer, in place of a reply 220", repeatable=True),
    Option("all", "A", help="Expect all strings, not any of them"),
    Option("quit", "q", "STRING", "Send this to end the session (QUIT)"),
    Option("refuse", "r", "STATE", "State of a refused connection: ok, warn, crit (crit)"),
    Option("mismatch", "M", "STATE", "State of an unexpected answer: ok, warn, crit (warn)"),
    Option("jail", "j", help="Never print what the server sent"),
    Option("maxbytes", "m", "BYTES", "Stop reading after so many bytes"),
    Option("delay", "d", "SECONDS", "Wait between sending and reading; not part of the response time"),
    Option(
        "certificate", "D", "DAYS[,DAYS]", "Least days that the certificate has left: warning, critical (0); needs TLS"
    ),
    Option("ssl", "S", help="TLS from the first byte on (implicit)"),
    Option("starttls", extension=True, help="TLS after AUTH TLS (explicit, RFC 4217)"),
    Option("sni", metavar="NAME", help="Name sent as server name; with neither -S nor --starttls it means -S"),
    Option("verify", extension=True, help="Verify the chain of the certificate and its name; with neither it means -S"),
    Option(
        "ca-file", extension=True, metavar="FILE", help="Authorities to verify with (PEM), in place of the system's"
    ),
    Option(
        "tls-min", extension=True, metavar="VERSION", help="Oldest version of TLS that will do, 1.2 or 1.3 (means -S)"
    ),
    Option(
        "tls-pin",
        extension=True,
        metavar="HEX",
        help="SHA-256 of the server's certificate or of its public key (means -S)",
        repeatable=True,
    ),
    *DEEP_ROWS,
    *TIME_ROWS,
    *OUTPUT_ROWS,
    Option("critical-codes", "C", "STRING", "Accepted and ignored, as by the C plugin"),
    Option("warning-codes", "W", "STRING", "Accepted and ignored, as by the C plugin"),
    Option("protocol", metavar="STRING", help="Accepted and ignored, as by the C plugin"),
)

USAGE = """\
check_ftp -H host -p port [-w <warning time>] [-c <critical time>] [-s <send string>]
[-e <expect string>] [-q <quit string>][-m <maximum bytes>] [-d <delay>]
[-t <timeout seconds>] [-r <refuse state>] [-M <mismatch state>] [-v] [-4] [-6] [-j]
[-D <warn days cert expire>[,<crit days cert expire>]] [-S <use SSL>] [-E]
[--starttls] [--sni <name>] [--verify] [--ca-file <file>] [--source <address>]
[--tls-min <version>] [--tls-pin <hex>]
[--user <name>] [--password-file <file>] [--password-env <name>] [--auth-file <file>]
[--data <mode>] [--active-ports <low-high>] [--active-address <address>]
[--foreign-pasv <state>] [--data-protection <level>]
[--list <dir>] [--min-files <number>] [--max-files <number>]
[--get <file>] [--size <bytes or range>] [--sha256 <hex>] [--contains <text>]
[--max-age <duration>] [--put <dir>]
[--timeout-state <state>] [--phases] [--output-format <format>]"""

_ASK_FOR_TLS = frozenset(("certificate_days", "sni", "verify", "tls_min", "tls_pins"))
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def build(scan: Scan) -> Command:
    """Turns the options into a command; UsageError in the words of the C plugin."""
    if scan.is_empty:
        raise UsageError("No arguments found")
    common = CommonSettings(PLUGIN)
    ftp: dict[str, Any] = common.probe
    first = scan.leading_word()
    host = None
    escape = False
    expect: list[bytes] = []
    deep = DeepSettings()
    for name, value in scan:
        if common.take(name, value) or deep.take(name, value):
            continue
        match name:
            case "hostname":
                host = value
            case "port":
                ftp["port"] = port(value)
            case "escape":
                escape = True
            case "send":
                ftp["send"] = _bytes(_unescape(value) if escape else value)
            case "quit":
                ftp["quit"] = _bytes(_unescape(value) if escape else f"{value}\r\n")
            case "expect":
                expect.append(_bytes(value))
            case "all":
                ftp["match_all"] = True
            case "refuse" | "mismatch":
                ftp[f"{name}_state"] = _state(name, value)
            case "jail":
                ftp["jail"] = True
            case "maxbytes" | "delay":
                ftp[name] = _positive(name, value)
            case "certificate":
                ftp["certificate_days"] = _days(value)
            case "ssl":
                ftp["tls"] = _tls(ftp.get("tls"), "implicit")
            case "starttls":
                ftp["tls"] = _tls(ftp.get("tls"), "explicit")
            case "sni":
                ftp["sni"] = value
            case "verify":
                ftp["verify"] = True
            case "ca-file":
                ftp["ca_file"] = _readable(value)
            case "tls-min":
                ftp["tls_min"] = _version(value)
            case "tls-pin":
                ftp["tls_pins"] = (*ftp.get("tls_pins", ()), _pin(value))
    if not ftp.get("tls") and not _ASK_FOR_TLS.isdisjoint(ftp):
        ftp["tls"] = "implicit"
    if host is None:
        # A host that was not given with -H is not named in the output: the C plugin's way.
        host = scan.rest[0] if scan.rest else first
        host = "127.0.0.1" if host is None else host
        ftp["show_host"] = False
    ftp |= deep.build(host)
    return common.command(FtpProbe.of_any_host(host, expect=tuple(expect), **ftp))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _unescape(text: str) -> str:
    out = []
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            after = next(letters, "\\")
            letter = _ESCAPES.get(after, after)
        out.append(letter)
    return "".join(out)


def _state(name: str, value: str) -> State:
    for word, state in (("ok", State.OK), ("warn", State.WARNING), ("crit", State.CRITICAL)):
        if value.startswith(word):
            return state
    raise UsageError(f"{name.capitalize()} must be one of ok, warn, crit")


def _positive(name: str, value: str) -> int:
    number = integer(value)
    if number is None or number < 1:
        raise UsageError(f"{name.capitalize()} must be a positive integer")
    return number


def _days(value: str) -> tuple[int, int]:
    warning, _, critical = value.partition(",")
    days = []
    for text in (warning or "0", critical or "0"):
        number = integer(text)
        if number is None or number < 0:
            raise UsageError(f"Invalid certificate expiration period - {printable(text)}")
        days.append(number)
    return days[0], days[1]


def _tls(before: str | None, wanted: str) -> str:
    if before not in (None, wanted):
        raise UsageError("--starttls and -S exclude each other: TLS is either explicit or implicit")
    return wanted


def _version(value: str) -> str:
    from ..dialogue.certificate import require_version

    require_version(value or "nothing")
    return value


def _pin(value: str) -> str:
    from ..dialogue.certificate import pin_of

    return pin_of(value)


def _readable(path: str) -> str:
    from ..dialogue.certificate import MOST_AUTHORITIES
    from ..regular import require_regular

    try:
        require_regular(path, MOST_AUTHORITIES)
    except OSError as error:
        raise UsageError(f"Cannot read CA file {printable(path)}: {error.strerror}") from None
    return path


PLUGIN = Plugin(
    "check_ftp",
    blurb="This plugin tests FTP connections with the specified host (or unix socket).",
    usage=USAGE,
    options=OPTIONS,
    build=build,
)
