"""The command `noidlb`: runs a subcommand, and turns every error into a message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from noidchecks.command_group import HelpWanted, begin_output, leave_output
from noidchecks.status.text import printable

from ..errors import FarmError, LbError
from .codes import DONE, TROUBLE, USAGE
from .commands import commands
from .output import tell


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command with the arguments, by default those of the process, and ends it with an exit code 0..3."""
    begin_output()
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        return _outcome(arguments)
    except OSError as error:
        # Standard output cannot be written, for example on a full disk, so neither can an error message.
        leave_output()
        tell(f"noidlb: standard output cannot be written: {error.strerror}", err=True)
        return TROUBLE


def _outcome(arguments: Sequence[str] | None) -> int:
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
        # click raises SystemExit when the output is closed.
        leave_output()
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
