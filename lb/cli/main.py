"""The command `noidlb`: checks, applies and shows farms, and takes the operator's words."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NoReturn, TypeVar

import click

from noidchecks import __version__
from noidchecks.command_group import CommandGroup, HelpWanted
from noidchecks.status.text import printable

from ..config.hints import faults, hints
from ..config.load import load
from ..doctor.finding import FAULT, NOTE, OK, Finding
from ..doctor.host import obstacles
from ..errors import LbError
from ..farm import BackendState, FarmError
from ..guardian.commands import require_usable
from ..nft.compile import compile_table
from ..nft.table import render
from ..service import direct
from ..service.protocol import Request
from ..service.state import StateFolder
from ..service.verbs import size_of
from . import guard as cli_guard
from .diff import diff
from .doctor import doctor, json_option, print_findings, to_finding
from .guard import (
    cut_option as _cut,
    file_argument as _file,
    other_file_option as _other_file,
    require_no_guardian,
    socket_option as _socket,
    speak_lines,
    state_option as _state,
)
from .names import backend_names, farm_names
from .pair import pair
from .status import status

DONE, FOUND, TROUBLE, USAGE = range(4)

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def commands() -> None:
    """FTP, TFTP and SFTP farms on nftables.

    Exit codes: 0 done, 1 something was found (check, diff, doctor), 2 trouble with the kernel or the state folder,
    3 wrong usage or configuration.
    """


@commands.command()
@_file
@json_option
def check(file: str, as_json: bool) -> int:
    """Validates a configuration, and prints all that is wrong with it; touches nothing."""
    try:
        farms = load(file).farms
        compile_table(farms)
        require_usable(farms)
    except FarmError as error:
        if as_json:
            return print_findings([Finding(FAULT, one.where, one.message) for one in error.all], as_json=True)
        _say_all(error)
        return FOUND
    wrong = faults(farms)
    hinted = [line for line in hints(farms) if line not in wrong]
    sound = f"{size_of(farms)}: valid"
    if as_json:
        found = [to_finding(FAULT, line) for line in wrong] + [to_finding(NOTE, line) for line in hinted]
        return print_findings(found if wrong else [*found, Finding(OK, file, sound)], as_json=True)
    for line in wrong:
        _say(line)
    for line in hinted:
        click.echo(f"hint: {line}")
    if wrong:
        return FOUND
    click.echo(f"{file}: {sound}")
    return DONE


@commands.command()
@_file
@_state
def show(file: str, folder: StateFolder) -> int:
    """Prints the nft text that apply would load into an empty kernel."""
    farms = load(file).farms
    words = direct.read_words(folder)
    click.echo(render(compile_table(farms, words.conditions(), words.stopped_of(farms))), nl=False)
    return DONE


@commands.command()
@_file
@_cut
@_socket
@_state
def apply(file: str, cut: bool, socket: str | None, folder: StateFolder) -> int:
    """Makes the kernel balance these farms; what is right already is not touched.

    With --cut, the flows of backends that are no longer used end; otherwise they go on.
    """
    configuration = load(file)
    farms = configuration.farms
    require_usable(farms)
    require_no_guardian(folder, socket)
    found = obstacles(farms, in_pair=configuration.pair is not None)
    direct.apply(
        configuration,
        folder,
        chain(hints(farms), (f"{one.subject}: {one.text}: {one.cure}" for one in found)),
        cut=cut,
    )
    return DONE


def _operate(request: Request, folder: StateFolder, socket: str | None, file: str | None) -> int:
    if not speak_lines(folder, socket, request, file=file):
        direct.operate(request, folder, file)
    return DONE


def _word(name: str, state: BackendState, text: str) -> None:
    @commands.command(name, help=text)
    @click.argument("farm", shell_complete=farm_names)
    @click.argument("backend", shell_complete=backend_names)
    @_cut
    @_other_file
    @_socket
    @_state
    def command(farm: str, backend: str, cut: bool, file: str | None, socket: str | None, folder: StateFolder) -> int:
        request = {"do": "say", "farm": farm, "backend": backend, "state": state.value, "cut": cut}
        return _operate(request, folder, socket, file)


_word("up", BackendState.UP, "Lets a backend get new clients again.")
_word("drain", BackendState.DRAIN, "Gives a backend no new clients but its sticky ones; its flows go on.")
_word("down", BackendState.DOWN, "Gives a backend no clients at all; its TCP flows go on, unless --cut.")


@commands.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@_cut
@_other_file
@_socket
@_state
def stop(farm: str | None, cut: bool, file: str | None, socket: str | None, folder: StateFolder) -> int:
    """Lets one farm, or all of them, refuse new clients; established flows go on.

    With --cut they end, and without FARM the table is removed as well, unless a guardian runs.
    """
    return _operate({"do": "stop", "farm": farm, "cut": cut}, folder, socket, file)


@commands.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@_other_file
@_socket
@_state
def start(farm: str | None, file: str | None, socket: str | None, folder: StateFolder) -> int:
    """Lets one farm, or all of them, serve again."""
    return _operate({"do": "start", "farm": farm}, folder, socket, file)


for _command in (cli_guard.guard, cli_guard.reload, cli_guard.events, diff, doctor, pair, status):
    commands.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command with the arguments, by default those of the process, and ends it with an exit code 0..3."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        outcome = commands.main(arguments, prog_name="noidlb", standalone_mode=False)
    except HelpWanted as error:
        click.echo(error.message)
        return USAGE
    except click.ClickException as error:
        _say(error.format_message())
        return USAGE
    except FarmError as error:
        _say_all(error)
        return error.exit_code
    except LbError as error:
        _say(str(error))
        return error.exit_code
    except SystemExit:
        # click exits so when the output is closed; the interpreter must not flush to it again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return TROUBLE
    except Exception as error:
        _say(f"internal error: {type(error).__name__}: {error}")
        return TROUBLE
    return outcome if isinstance(outcome, int) else DONE


def _say_all(error: FarmError) -> None:
    for one in error.all:
        _say(str(one))


def _say(text: str) -> None:
    click.echo(f"noidlb: {printable(text)}")
