"""The manual pages of noidchecks and noidlb, from the options that click knows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
from noidlb.cli.commands import commands as noidlb

from noidchecks.cli import commands as noidchecks
from noidchecks.plugin.plugin import PLUGINS

from .roff import Page, bold, italic

_TYPES = {"text": "TEXT", "path": "PATH", "filename": "PATH", "integer": "NUMBER", "float": "NUMBER"}

_CHECKS = "\n".join(
    (
        "noidchecks survey /etc/noidchecks/targets --over 50s --every 1m --report json",
        "noidchecks install-plugins --prefix noid_ /usr/local/lib/nagios/plugins",
    )
)
_FARMS = "\n".join(
    (
        "noidlb check /etc/noidlb/farms.toml",
        "noidlb apply /etc/noidlb/farms.toml",
        "noidlb status --watch",
        "noidlb drain public-ftp b1",
        "noidlb up public-ftp b1",
    )
)
_FILES = (
    ("/etc/noidlb/farms.toml", "The farms, where no other file is named: `farms.toml`(5)."),
    ("/var/lib/noidlb", "The state folder: a copy of the farms that were applied last, and the overrides."),
    ("/run/noidlb/control", "The socket at which a running guardian takes commands."),
)
_VARIABLES = {
    "NOIDLB_FILE": "The farms file, where none is named.",
    "NOIDLB_STATE": "The state folder, where `--state-dir` names none.",
    "NOIDLB_SOCKET": "The guardian's socket, where `--socket` names none.",
    "NO_COLOR": "When it is set, `status` prints no colours.",
}


def noidchecks_page(*, date: str, version: str) -> Page:
    """Returns the page of noidchecks."""
    made = Page("noidchecks", 1, "surveys of FTP, TFTP and SSH servers", date=date, version=version)
    _describe(made, "noidchecks", noidchecks)
    made.section("EXIT STATUS")
    made.text("0 to 3 as each command says; 3 is wrong usage too. It is printed on standard output then.")
    made.section("EXAMPLES")
    made.lines(_CHECKS)
    made.section("SEE ALSO")
    made.text(", ".join((*(f"`{name}`(1)" for name in PLUGINS), "`noidlb`(8)")))
    return made


def noidlb_page(*, date: str, version: str) -> Page:
    """Returns the page of noidlb."""
    made = Page("noidlb", 8, "FTP, TFTP and SFTP farms on nftables", date=date, version=version)
    _describe(made, "noidlb", noidlb)
    made.section("ENVIRONMENT")
    made.items((bold(name), meaning) for name, meaning in _VARIABLES.items())
    made.section("FILES")
    made.items((italic(path), meaning) for path, meaning in _FILES)
    made.section("EXAMPLES")
    made.lines(_FARMS)
    made.section("SEE ALSO")
    made.text("`farms.toml`(5), `noidchecks`(1), `nft`(8), `conntrack`(8), `keepalived`(8)")
    return made


def variables() -> set[str]:
    """Returns the environment variables that commands of noidlb read instead of an option."""
    every = (parameter for _, one in _commands("noidlb", noidlb) for parameter in one.params)
    return {str(parameter.envvar) for parameter in every if parameter.envvar}


def _describe(made: Page, name: str, group: click.Group) -> None:
    made.section("SYNOPSIS")
    made.source(f"{bold(name)} {italic('COMMAND')} [{italic('OPTIONS')}] [{italic('ARGUMENTS')}]")
    made.section("DESCRIPTION")
    made.text(_help(group))
    made.text(f"Each command explains itself: `{name} COMMAND --help`.")
    made.section("OPTIONS")
    made.items((_names(option), _meaning(option)) for option in _options(group))
    made.section("COMMANDS")
    for title, command in _commands(name, group):
        made.subsection(" ".join((title, *map(_argument, _arguments(command)))))
        made.text(_help(command))
        made.items((_names(option), _meaning(option)) for option in _options(command))


def _commands(name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for word, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        title = f"{name} {word}"
        yield title, command
        if isinstance(command, click.Group):
            yield from _commands(title, command)


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "")


def _options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


def _arguments(command: click.Command) -> list[click.Argument]:
    return [one for one in command.params if isinstance(one, click.Argument)]


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or str(argument.name).upper()
    words = f"{name}..." if argument.nargs == -1 else name
    return words if argument.required and argument.nargs != -1 and not argument.envvar else f"[{words}]"


def _names(option: click.Option) -> str:
    names = sorted((*option.opts, *option.secondary_opts), key=len)
    term = ", ".join(map(bold, names))
    if option.is_flag or option.count:
        return term
    return f"{term}{' ' if len(names[-1]) == 2 else '='}{italic(_value(option))}"


def _value(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return _TYPES.get(option.type.name.removesuffix(" range"), option.type.name.upper())


def _meaning(option: click.Option) -> str:
    # click 8.1 has the text already, 8.2 adds it where help is printed.
    words = (option.help or "").removesuffix(".")
    more = " Can be given several times." if option.multiple and "several times" not in words else ""
    default = f" The default is `{option.default}`." if option.show_default else ""
    return f"{words}.{more}{default}"
