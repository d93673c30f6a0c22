"""The option table of check_ftp: the options of the C plugin, and the conversion of all options to a command.

Most command lines have no other options. The further rows are in tls_options.py and login_options.py, which are only
imported for an option that is not in this table.
"""

from __future__ import annotations

from ..errors import UsageError
from ..plugin.common import ADDRESS_ROWS, HELP_ROWS, OUTPUT_ROWS, Given, first_integer, port, time_rows
from ..plugin.getopt import Option
from ..plugin.plugin import Plugin
from ..status.state import State
from ..status.text import printable
from .probe import FtpProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..plugin.getopt import Scan
    from ..plugin.plugin import Command

_ASK_FOR_TLS = frozenset(("certificate_days", "sni", "verify", "tls_min", "tls_pins"))
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def build(scan: Scan) -> Command:
    """Converts the options to a command; raises UsageError with the texts of the C plugin."""
    if scan.is_empty:
        raise UsageError("No arguments found")
    given = Given(PLUGIN)
    settings = given.settings
    first = scan.leading_word()
    host = None
    escape = False
    for name, value in scan:
        match name:
            case "hostname":
                host = value
            case "escape":
                escape = True
            case "send":
                settings["send"] = _bytes(_unescape(value) if escape else value)
            case "quit":
                settings["quit"] = _bytes(_unescape(value) if escape else f"{value}\r\n")
            case "ssl":
                settings["tls"] = _tls(settings.get("tls"), "implicit")
            case "starttls":
                settings["tls"] = _tls(settings.get("tls"), "explicit")
            case _:
                given.take(name, value)
    if not settings.get("tls") and not _ASK_FOR_TLS.isdisjoint(settings):
        settings["tls"] = "implicit"
    if host is None:
        # As in the C plugin, the output names the host only if it was given with -H.
        host = scan.rest[0] if scan.rest else first
        host = "127.0.0.1" if host is None else host
        settings["show_host"] = False
    if scan.took_more:
        from .login_options import login_settings

        settings |= login_settings(given, host)
    return given.command(FtpProbe.of_any_host(host, **settings))


def _bytes(text: str, _title: str = "") -> bytes:
    return text.encode(errors="surrogateescape")


def _unescape(text: str) -> str:
    out = []
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            after = next(letters, "")
            letter = _ESCAPES.get(after, after)
        out.append(letter)
    return "".join(out)


def _state(value: str, title: str) -> State:
    for word, found in (("ok", State.OK), ("warn", State.WARNING), ("crit", State.CRITICAL)):
        if value.startswith(word):
            return found
    raise UsageError(f"{title} must be one of ok, warn, crit")


def _positive(value: str, title: str) -> int:
    number = first_integer(value)
    if number is None or number < 1:
        raise UsageError(f"{title} must be a positive integer")
    return number


def _days(value: str, _title: str) -> tuple[int, int]:
    warning, _, critical = value.partition(",")
    days = []
    for text in (warning or "0", critical or "0"):
        number = first_integer(text)
        if number is None or number < 0:
            raise UsageError(f"Invalid certificate expiration period - {printable(text)}")
        days.append(number)
    return days[0], days[1]


def _tls(before: str | None, wanted: str) -> str:
    if before not in (None, wanted):
        raise UsageError("--starttls and -S exclude each other: TLS is either explicit or implicit")
    return wanted


ROWS = (
    *HELP_ROWS,
    Option("hostname", "H", "ADDRESS", "Host name, address, or path of a unix socket (127.0.0.1)"),
    Option("port", "p", "PORT", "TCP port (21)", field="port", read=port),
    *ADDRESS_ROWS,
    Option("escape", "E", help="Read \\n, \\r, \\t and \\\\ in the send and quit strings that follow"),
    Option("send", "s", "STRING", "Send this after connecting, before anything is read"),
    Option(
        "expect", "e", "STRING", "Expect this in the answer, in place of a reply 220", repeatable=True,
        field="expect", read=_bytes,
    ),
    Option("all", "A", help="Expect all strings, not any of them", field="match_all"),
    Option("quit", "q", "STRING", "Send this to end the session (QUIT)"),
    Option(
        "refuse", "r", "STATE", "State of a refused connection: ok, warn, crit (crit)",
        field="refuse_state", read=_state,
    ),
    Option(
        "mismatch", "M", "STATE", "State of an unexpected answer: ok, warn, crit (warn)",
        field="mismatch_state", read=_state,
    ),
    Option("jail", "j", help="Never print what the server sent", field="jail"),
    Option("maxbytes", "m", "BYTES", "Stop reading after this many bytes", field="maxbytes", read=_positive),
    Option(
        "delay", "d", "SECONDS", "Wait between sending and reading; not part of the response time",
        field="delay", read=_positive,
    ),
    Option(
        "certificate", "D", "DAYS[,DAYS]",
        "WARNING, CRITICAL when the certificate has this many days left, or fewer (0); means -S without --starttls",
        field="certificate_days", read=_days,
    ),
    Option("ssl", "S", help="TLS from the first byte on (implicit)"),
    Option(
        "sni", metavar="NAME", help="Name sent as server name; means -S without --starttls", field="sni"
    ),
    *time_rows(),
    *OUTPUT_ROWS,
    Option("critical-codes", "C", "STRING", "Accepted and ignored, as by the C plugin"),
    Option("warning-codes", "W", "STRING", "Accepted and ignored, as by the C plugin"),
    Option("protocol", metavar="STRING", help="Accepted and ignored, as by the C plugin"),
)  # fmt: skip

# The usage text of the C plugin.
_USAGE = """\
check_ftp -H host -p port [-w <warning time>] [-c <critical time>] [-s <send string>]
[-e <expect string>] [-q <quit string>][-m <maximum bytes>] [-d <delay>]
[-t <timeout seconds>] [-r <refuse state>] [-M <mismatch state>] [-v] [-4] [-6] [-j]
[-D <warn days cert expire>[,<crit days cert expire>]] [-S <use SSL>] [-E]"""


def _more() -> tuple[Option, ...]:
    from .login_options import LOGIN_ROWS
    from .tls_options import TLS_ROWS

    return (*TLS_ROWS, *LOGIN_ROWS)


PLUGIN = Plugin(
    "check_ftp",
    blurb="This plugin tests FTP connections with the specified host (or unix socket).",
    usage=_USAGE,
    in_usage=lambda row: row.extension or row.name == "sni",
    rows=ROWS,
    more=_more,
    build=build,
)
