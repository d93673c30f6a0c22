"""The rows that all option tables share, and the reading of their values."""

from __future__ import annotations

from ..address import AF_INET, AF_INET6
from ..errors import UsageError
from ..status.state import State
from ..status.text import printable
from ..status.threshold import Range
from .getopt import Option
from .plugin import Command, InformationWanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..contract import Probe
    from .getopt import Plugin

# The C plugins' int.
_INT_MAX = 2**31 - 1
FORMATS = ("multi-line", "json")

HELP_ROWS = (
    Option("help", "h", help="Print this help and exit with 3"),
    Option("version", "V", help="Print the version and exit with 3"),
    Option("extra-opts", metavar="[SECTION][@FILE]", help="Read options from an ini file, before those given here"),
)
ADDRESS_ROWS = (
    Option("use-ipv4", "4", help="Use IPv4 only"),
    Option("use-ipv6", "6", help="Use IPv6 only"),
    Option("source", extension=True, metavar="ADDRESS", help="Send from this local address"),
)
TIME_ROWS = (
    Option("warning", "w", "RANGE", "Response time in seconds outside of which the state is WARNING"),
    Option("critical", "c", "RANGE", "Response time in seconds outside of which the state is CRITICAL"),
    Option("timeout", "t", "SECONDS[:STATE]", "Deadline for everything, name resolution included (10)"),
    Option("timeout-state", extension=True, metavar="STATE", help="State when the deadline passes (critical)"),
)
OUTPUT_ROWS = (
    Option("phases", extension=True, help="Add the seconds of each phase to the performance data"),
    Option("output-format", extension=True, metavar="FORMAT", help="One of multi-line, json"),
    Option("verbose", "v", help="Print the dialogue after the status line; more of them do the same"),
    Option("transcript", extension=True, help="The same as -v"),
)


class CommonSettings:
    """Collects the values of the common rows; probe holds those that every probe of ours takes by keyword."""

    __slots__ = ("probe", "verbose", "output_format", "_plugin", "_show_value", "_endless")

    def __init__(self, plugin: Plugin, *, show_value: bool = False, endless: bool = False) -> None:
        self.probe: dict[str, Any] = {}
        self.verbose = False
        self.output_format = ""
        self._plugin = plugin
        # check_ssh repeats a wrong number in its message and takes a timeout of 0 for none; check_ftp does neither.
        self._show_value = show_value
        self._endless = endless

    def take(self, name: str, value: str) -> bool:
        """Reads one option and tells whether it is a common one; UsageError, InformationWanted."""
        match name:
            case "help":
                from .help import help_text

                raise InformationWanted(help_text(self._plugin))
            case "version":
                from .help import version_text

                raise InformationWanted(version_text(self._plugin))
            case "use-ipv4":
                self.probe["family"] = AF_INET
            case "use-ipv6":
                self.probe["family"] = AF_INET6
            case "source":
                self.probe["source"] = value
            case "warning" | "critical":
                self.probe[name] = threshold(name, value)
            case "timeout":
                self._take_timeout(value)
            case "timeout-state":
                self.probe["timeout_state"] = state(value, "Timeout state")
            case "phases":
                self.probe["show_phases"] = True
            case "output-format":
                self.output_format = value.lower()
                if self.output_format not in FORMATS:
                    raise UsageError(f"Invalid output format: {printable(value)}")
            case "verbose" | "transcript":
                self.verbose = True
            case _:
                return False
        return True

    def command(self, probe: Probe) -> Command:
        """Returns the command for the probe that was built."""
        return Command(probe, verbose=self.verbose, output_format=self.output_format)

    def _take_timeout(self, value: str) -> None:
        number, colon, word = value.partition(":")
        seconds = integer(number)
        if seconds is None or (seconds <= 0 and not self._endless):
            shown = f" - {printable(value)}" if self._show_value else ""
            raise UsageError(f"Timeout interval must be a positive integer{shown}")
        self.probe["timeout"] = seconds
        if colon:
            self.probe["timeout_state"] = state(word, "Timeout state")


def integer(text: str) -> int | None:
    """Reads a decimal integer of 32 bits, blanks around it allowed; None for anything else."""
    body = text.strip(" ")
    digits = body[1:] if body.startswith("-") else body
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10 or int(digits) > _INT_MAX:
        return None
    return int(body)


def port(text: str, *, words: str = "Port", show_value: bool = False) -> int:
    """Reads a port, 1..65535; UsageError in the words of the C plugin."""
    number = integer(text)
    shown = f" - {printable(text)}" if show_value else ""
    if number is None or number < 1:
        raise UsageError(f"{words} must be a positive integer{shown}")
    if number > 65535:
        raise UsageError(f"{words} must be a positive integer, at most 65535{shown}")
    return number


def threshold(name: str, text: str) -> Range:
    """Reads a time threshold: a range, or a number of which what follows a blank is ignored.

    `-w '5 -c 10'` in one word is what Debian's command definitions make of `!-w 5 -c 10`; the C plugin reads 5.
    """
    word = text.strip(" ").partition(" ")[0]
    try:
        if word.startswith("-") and ":" not in word:
            # As in the C plugin, where every response time is above a negative number.
            return Range.parse(f"~:{word}")
        return Range.parse(word)
    except ValueError:
        raise UsageError(
            f"{name.capitalize()} threshold must be a number of seconds or a range: {printable(text)}"
        ) from None


def state(text: str, words: str) -> State:
    """Reads a state's name; UsageError."""
    try:
        return State.parse(text)
    except ValueError:
        raise UsageError(f"{words} must be one of ok, warning, critical, unknown: {printable(text)}") from None
