"""`check_ftp -H HOST` turned into a probe, for every caller: the executables, the guardian, a survey line."""

from __future__ import annotations

from ..errors import UsageError
from ..status.text import printable
from ..value import Value
from .getopt import Scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..contract import Probe
    from .getopt import Option

# The plugins by the name of their executable; each module holds its PLUGIN.
PLUGINS = {
    "check_ftp": "noidchecks.ftp.options",
    "check_tftp": "noidchecks.tftp.options",
    "check_ssh": "noidchecks.ssh.options",
    "check_sftp": "noidchecks.ssh.sftp_options",
}


class Command(Value):
    """A parsed command line: the probe, and how its result is to be printed."""

    probe: Probe
    verbose: bool
    output_format: str

    def __init__(self, probe: Probe, *, verbose: bool = False, output_format: str = "") -> None:
        self._fill({"probe": probe, "verbose": verbose, "output_format": output_format})


class Plugin:
    """A plugin's option table, its words for the operator, and how its options become a command.

    more() returns the rows behind those in rows: it is only called for a word that is none of rows. usage is the
    beginning of the usage text, in_usage tells of a row whether it is named behind it.
    build gets the scan of the words; UsageError out of it is printed with the usage text.
    """

    __slots__ = ("name", "blurb", "usage", "in_usage", "rows", "more", "build")

    def __init__(
        self,
        name: str,
        *,
        blurb: str,
        usage: str,
        in_usage: Callable[[Option], bool] = lambda _: False,
        rows: tuple[Option, ...],
        more: Callable[[], tuple[Option, ...]] = tuple,
        build: Callable[[Scan], Command],
    ) -> None:
        self.name = name
        self.blurb = blurb
        self.usage = usage
        self.in_usage = in_usage
        self.rows = rows
        self.more = more
        self.build = build

    @property
    def options(self) -> tuple[Option, ...]:
        """The whole table."""
        return (*self.rows, *self.more())

    def row(self, name: str) -> Option | None:
        """Returns the row of an option, by its long name."""
        for row in self.rows:
            if row.name == name:
                return row
        return next((row for row in self.more() if row.name == name), None)


class InformationWanted(Exception):
    """The caller asked for --help or --version; the message is the text to print."""


def plugin_of(program: str) -> Plugin:
    """Returns the plugin for a program's name or path; UsageError for the name of another program.

    A prefix before `check_` is allowed, because install-plugins may link the plugins under one.
    """
    name = program.rpartition("/")[2]
    _, found, protocol = name.rpartition("check_")
    module = PLUGINS.get(f"check_{protocol}") if found else None
    if module is None:
        raise UsageError(f"not one of {', '.join(PLUGINS)}: {printable(name)}")
    # Not importlib.import_module(), whose package is not loaded yet at this point of a start.
    plugin: Plugin = __import__(module, fromlist=("PLUGIN",)).PLUGIN
    return plugin


def parse(words: Sequence[str], plugin_name: str = "", *, stdin: bool = False) -> Command:
    """Turns the words of a command line, the program first, into a Command; UsageError, InformationWanted.

    plugin_name is the plugin's own name where the program may be called anything; stdin allows --extra-opts=@-.
    """
    plugin = plugin_of(plugin_name or (words[0] if words else ""))
    return plugin.build(scan(plugin, written_out(words, stdin=stdin)))


def written_out(words: Sequence[str], *, stdin: bool = False) -> Sequence[str]:
    """Returns the words behind the program with the options of an ini file in place of --extra-opts; UsageError."""
    arguments = _without_nul(words[1:])
    if any(word == "--extra-opts" or word.startswith("--extra-opts=") for word in arguments):
        from .extra_opts import expand

        arguments = _without_nul(expand(arguments, words[0].rpartition("/")[2], stdin=stdin))
    return arguments


def scan(plugin: Plugin, arguments: Sequence[str]) -> Scan:
    """Returns the scan of words that are written out."""
    # Expanded by now; what abbreviates it, or stands in a file, is unknown, as to the C plugins.
    rows = [row for row in plugin.rows if row.name != "extra-opts"]
    return Scan(rows, arguments, plugin.more)


def _without_nul(words: Sequence[str]) -> Sequence[str]:
    # No program can be given one; a caller's configuration file can hold one, and the kernel would end a path there.
    if any("\0" in word for word in words):
        raise UsageError("command line must not hold a NUL")
    return words


def parse_line(line: str) -> Command:
    """Turns a command line as a shell would split it into a Command; UsageError.

    Nothing else of a shell is understood. --help and --version are no check: UsageError.
    """
    from shlex import split

    try:
        words = split(line)
    except ValueError as error:
        raise UsageError(f"command line cannot be split: {str(error).lower()}") from error
    try:
        return parse(words)
    except InformationWanted:
        raise UsageError("the command line asks for help, not for a check") from None
