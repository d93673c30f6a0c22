"""The rows that all option tables share, and the parsing of their values."""

from __future__ import annotations

from ..address import AF_INET, AF_INET6
from ..errors import UsageError
from ..status.state import State
from ..status.text import printable
from .getopt import Option
from .plugin import Command, InformationWanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..contract import Probe
    from ..status.threshold import Range
    from .plugin import Plugin

# The greatest int of the C plugins.
_INT_MAX = 2**31 - 1
FORMATS = ("multi-line", "json")


def integer(text: str) -> int | None:
    """Reads a decimal integer of 32 bits, blanks around it allowed; None for anything else."""
    body = text.strip(" ")
    digits = body[1:] if body.startswith("-") else body
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10 or int(digits) > _INT_MAX:
        return None
    return int(body)


def first_integer(text: str) -> int | None:
    """Reads the first of several integers, as the C plugins do for their options.

    Debian's command definitions turn `!21 -4` into a single argument, `-p '21 -4'`.
    """
    body = text.strip(" ")
    if body.strip("-0123456789 "):
        return None
    sign = body[: body.startswith("-")]
    return integer(sign + body[len(sign) :].replace("-", " ").partition(" ")[0])


def filled(text: str, title: str) -> str:
    """Returns the text; UsageError when it is empty, as an unset macro is, because that would disable a check."""
    if not text:
        raise UsageError(f"{title} must not be empty")
    return text


def bytes_of(text: str) -> int | None:
    """Reads a number of bytes, which may exceed the limit of integer(); None for anything else."""
    # A float represents integers of fifteen digits exactly.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def size(text: str, _title: str = "") -> Range:
    """Reads the size that a file must have; a number means exactly that many bytes. Raises UsageError."""
    from ..status.threshold import Range

    number = bytes_of(text)
    if number is not None:
        return Range(number, number)
    try:
        # As a range, 3000.0 would be the most that the size may be.
        if ":" not in text and not text.startswith("@"):
            raise ValueError
        return Range.parse(text)
    except ValueError:
        raise UsageError(f"Size must be a number of bytes or a range, not {printable(repr(text), 80)}") from None


def port(text: str, words: str = "Port", *, show_value: bool = False) -> int:
    """Reads a port, 1..65535; raises UsageError in the words of the C plugin."""
    number = first_integer(text)
    shown = f" - {printable(text)}" if show_value else ""
    if number is None or number < 1:
        raise UsageError(f"{words} must be a positive integer{shown}")
    if number > 65535:
        raise UsageError(f"{words} must be a positive integer, at most 65535{shown}")
    return number


def threshold(text: str, words: str) -> Range:
    """Reads a time threshold: a range or a number; text after a blank is ignored.

    Debian's command definitions turn `!-w 5 -c 10` into a single argument, `-w '5 -c 10'`; the C plugin reads 5.
    """
    from ..status.threshold import Range

    word = text.strip().partition(" ")[0]
    try:
        if word.startswith("-") and ":" not in word:
            # As in the C plugin, where every response time exceeds a negative threshold.
            return Range.parse(f"~:{word}")
        return Range.parse(word)
    except ValueError:
        raise UsageError(f"{words} threshold must be a number of seconds or a range: {printable(text)}") from None


def state(text: str, words: str) -> State:
    """Reads a state's name; UsageError."""
    try:
        return State.parse(text)
    except ValueError:
        raise UsageError(f"{words} must be one of ok, warning, critical, unknown: {printable(text)}") from None


def timeout(text: str, _title: str = "", *, show_value: bool = False, endless: bool = False) -> dict[str, object]:
    """Reads SECONDS[:STATE] as the settings timeout and timeout_state; UsageError.

    With show_value, the message repeats an invalid number; with endless, 0 or less means no deadline.
    """
    number, colon, word = text.partition(":")
    # As in the C plugin check_ssh, the empty value of an undefined argument means no deadline.
    seconds = 0 if endless and not text.strip("- ") else first_integer(number)
    if seconds is None or (seconds <= 0 and not endless):
        shown = f" - {printable(text)}" if show_value else ""
        raise UsageError(f"Timeout interval must be a positive integer{shown}")
    settings: dict[str, object] = {"timeout": seconds}
    if colon:
        settings["timeout_state"] = state(word, "Timeout state")
    return settings


def _format(text: str, _title: str) -> str:
    name = text.lower()
    if name not in FORMATS:
        raise UsageError(f"Invalid output format: {printable(text)}")
    return name


HELP_ROWS = (
    Option("help", "h", help="Print this help and exit with 3"),
    Option("version", "V", help="Print the version and exit with 3"),
    Option("extra-opts", metavar="[SECTION][@FILE]", help="Read options from an ini file, before those given here"),
)
ADDRESS_ROWS = (
    Option("use-ipv4", "4", help="Use IPv4 only", field="family", value=AF_INET),
    Option("use-ipv6", "6", help="Use IPv6 only", field="family", value=AF_INET6),
    Option("source", extension=True, metavar="ADDRESS", help="Send from this local address", field="source"),
)
_THRESHOLD_ROWS = (
    Option(
        "warning", "w", "RANGE", "Response time in seconds outside of which the state is WARNING",
        field="warning", read=threshold,
    ),
    Option(
        "critical", "c", "RANGE", "Response time in seconds outside of which the state is CRITICAL",
        field="critical", read=threshold,
    ),
)  # fmt: skip


def time_rows(read: Callable[[str, str], dict[str, object]] = timeout) -> tuple[Option, ...]:
    """Returns the rows of thresholds and timeout; read() parses the value of the timeout."""
    return (
        *_THRESHOLD_ROWS,
        Option(
            "timeout", "t", "SECONDS[:STATE]", "Deadline for everything, name resolution included (10)", read=read
        ),
        Option(
            "timeout-state", extension=True, metavar="STATE", help="State when the deadline passes (critical)",
            field="timeout_state", read=state,
        ),
    )  # fmt: skip


OUTPUT_ROWS = (
    Option("phases", extension=True, help="Add the seconds of each phase to the performance data", field="show_phases"),
    Option(
        "output-format", extension=True, metavar="FORMAT", help="One of multi-line, json",
        field="output_format", read=_format,
    ),
    Option(
        "verbose", "v", help="Print the dialogue after the status line; more of them do the same", field="verbose"
    ),
    Option("transcript", extension=True, help="The same as -v", field="verbose"),
)  # fmt: skip
# The fields of a Command; all others are settings of the probe.
_OUTPUT_FIELDS = ("verbose", "output_format")


class Given:
    """The values of the options of a command line.

    settings are those of the probe, texts the values that the plugin parses itself, by option name.
    """

    __slots__ = ("settings", "texts", "names", "_output", "_plugin")

    def __init__(self, plugin: Plugin) -> None:
        self.settings: dict[str, Any] = {}
        self.texts: dict[str, str] = {}
        # The names of the options in the order of the command line.
        self.names: list[str] = []
        self._output: dict[str, Any] = {}
        self._plugin = plugin

    def take(self, name: str, text: str) -> None:
        """Parses the value of an option according to its row; raises UsageError, InformationWanted."""
        self.names.append(name)
        if name in ("help", "version"):
            from .help import help_text, version_text

            raise InformationWanted((help_text if name == "help" else version_text)(self._plugin))
        row = self._plugin.row(name)
        if row is None or not (row.field or row.read):
            self.texts[name] = text
            return
        value: Any = row.value if not row.metavar else text if row.read is None else row.read(text, row.title)
        if not row.field:
            self.settings |= value
            return
        values = self._output if row.field in _OUTPUT_FIELDS else self.settings
        values[row.field] = (*values.get(row.field, ()), value) if row.repeatable else value

    def command(self, probe: Probe) -> Command:
        """Returns the command for the probe."""
        return Command(probe, **self._output)
