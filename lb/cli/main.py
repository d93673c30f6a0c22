"""The command `noidlb`: checks, applies and shows farms, and takes the operator's words."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import click

from noidchecks import __version__
from noidchecks.command_group import CommandGroup, HelpWanted
from noidchecks.status.text import printable

from ..config.hints import faults, hints
from ..config.load import load
from ..doctor.host import obstacles
from ..errors import LbError
from ..farm import BackendState, FarmError
from ..finding import FAULT, NOTE, OK, Finding
from ..guardian.commands import require_usable
from ..nft import conntrack, nft as kernel
from ..nft.compile import compile_table
from ..nft.marks import Marks
from ..nft.narrow import plan_backend, plan_farm
from ..nft.plan import plan
from ..nft.table import render
from ..service.operation import (
    carry_out,
    current,
    find_backend,
    find_farm,
    load_modules,
    number,
    read_words,
    remind,
    tell,
)
from ..service.state import StateFolder
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
    backends = sum(len(farm.backends) for farm in farms)
    sound = f"{number(len(farms), 'farm')}, {number(backends, 'backend')}: valid"
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
    words = read_words(folder)
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
    with folder.locked():
        words = read_words(folder, put_aside=True).about(farms)
        change = plan(farms, words)
        if change.old is None:
            load_modules(farms)
        for line in hints(farms):
            tell(f"noidlb: warning: {line}", err=True)
        for finding in obstacles(farms, in_pair=configuration.pair is not None):
            tell(f"noidlb: warning: {finding.subject}: {finding.text}: {finding.cure}", err=True)
        carry_out(change, folder, configuration, words, cut=cut)
    remind(words, farms)
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
        if speak_lines(folder, socket, request, file=file):
            return DONE
        with folder.locked():
            configuration = current(folder, file)
            farms = configuration.farms
            chosen = find_farm(farms, farm)
            one = find_backend(chosen, backend)
            words = read_words(folder, put_aside=True).about(farms).saying(farm, backend, state, one.state)
            change = plan_backend(farms, words, chosen, one)
            marks = Marks(farms)
            cuts = [marks.layout.match(marks.backend(chosen, backend))] if cut else []
            carry_out(change, folder, configuration, words, only_change=True, marks=cuts)
        return DONE


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
    if speak_lines(folder, socket, {"do": "stop", "farm": farm, "cut": cut}, file=file):
        return DONE
    with folder.locked():
        configuration = current(folder, file)
        farms = configuration.farms
        chosen = farms if farm is None else (find_farm(farms, farm),)
        words = read_words(folder, put_aside=True).about(farms).stopping(farm)
        change = plan(farms, words) if farm is None else plan_farm(farms, words, chosen[0])
        carry_out(change, folder, configuration, words, only_change=True)
        if cut:
            ended = conntrack.cut(Marks(farms).busy(chosen, conntrack.count()))
            if farm is None:
                kernel.remove()
            tell(f"ended {number(ended, 'flow')}")
            if farm is None:
                tell("the table is removed")
    return DONE


@commands.command()
@click.argument("farm", required=False, shell_complete=farm_names)
@_other_file
@_socket
@_state
def start(farm: str | None, file: str | None, socket: str | None, folder: StateFolder) -> int:
    """Lets one farm, or all of them, serve again."""
    if speak_lines(folder, socket, {"do": "start", "farm": farm}, file=file):
        return DONE
    with folder.locked():
        configuration = current(folder, file)
        farms = configuration.farms
        words = read_words(folder, put_aside=True).about(farms).starting(farm, farms)
        change = plan(farms, words) if farm is None else plan_farm(farms, words, find_farm(farms, farm))
        if change.old is None:
            load_modules(farms)
        carry_out(change, folder, configuration, words)
    return DONE


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
        # click's answer when nobody reads any more; the interpreter must not find that out again when it ends.
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
