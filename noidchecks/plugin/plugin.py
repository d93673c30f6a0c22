"""Converts command lines such as `check_ftp -H HOST` to probes, for the executables, the guardian and surveys."""

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
    """A parsed command line: the probe, and the output format of its result."""

    probe: Probe
    verbose: bool
    output_format: str

    def __init__(self, probe: Probe, *, verbose: bool = False, output_format: str = "") -> None:
        self._fill({"probe": probe, "verbose": verbose, "output_format": output_format})


class Plugin:
    """A plugin's option table, its texts for the operator, and the function that converts its options to a command.

    more() returns further rows; it is only called for an option that is not in rows. usage is the beginning of the
    usage text, in_usage tells whether a row is listed after it. build gets the scan of the command line; its UsageError
    is printed with the usage text.
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
        """All rows, those of more() included."""
        return (*self.rows, *self.more())

    def row(self, name: str) -> Option | None:
        """Returns the row of an option, by its long name."""
        for row in self.rows:
            if row.name == name:
                return row
        return next((row for row in self.more() if row.name == name), None)


class InformationWanted(Exception):
    """The command line has --help or --version; the message is the text to print."""


def plugin_of(program: str) -> Plugin:
    """Returns the plugin for a program's name or path; UsageError for the name of another program.

    A prefix before `check_` is allowed, because install-plugins may link the plugins with one.
    """
    name = program.rpartition("/")[2]
    _, found, protocol = name.rpartition("check_")
    module = PLUGINS.get(f"check_{protocol}") if found else None
    if module is None:
        raise UsageError(f"not one of {', '.join(PLUGINS)}: {printable(name)}")
    # Not importlib.import_module(), because importing importlib would lengthen the start.
    plugin: Plugin = __import__(module, fromlist=("PLUGIN",)).PLUGIN
    return plugin


def parse(words: Sequence[str], plugin_name: str = "", *, stdin: bool = False) -> Command:
    """Converts the words of a command line, the program first, to a Command; raises UsageError, InformationWanted.

    plugin_name is the plugin's name for a program with any other name; stdin allows --extra-opts=@-.
    """
    plugin = plugin_of(plugin_name or (words[0] if words else ""))
    return plugin.build(scan(plugin, written_out(words, stdin=stdin)))


def written_out(words: Sequence[str], *, stdin: bool = False) -> Sequence[str]:
    """Returns the arguments, with --extra-opts replaced by the options of its file; raises UsageError."""
    arguments = _without_nul(words[1:])
    if any(word == "--extra-opts" or word.startswith("--extra-opts=") for word in arguments):
        from .extra_opts import expand

        arguments = _without_nul(expand(arguments, words[0].rpartition("/")[2], stdin=stdin))
    return arguments


def scan(plugin: Plugin, arguments: Sequence[str]) -> Scan:
    """Returns the scan of arguments whose --extra-opts are expanded."""
    # --extra-opts is already expanded; an abbreviation of it, or one in an ini file, is unknown, as in the C plugins.
    rows = [row for row in plugin.rows if row.name != "extra-opts"]
    return Scan(rows, arguments, plugin.more)


def _without_nul(words: Sequence[str]) -> Sequence[str]:
    # An argument cannot have a NUL, but a word of a configuration file can, and the kernel would end a path there.
    if any("\0" in word for word in words):
        raise UsageError("command line must not hold a NUL")
    return words


def parse_line(line: str) -> Command:
    """Converts a command line to a Command, split as a shell would; raises UsageError, also for --help and --version.

    No other syntax of a shell is supported.
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
