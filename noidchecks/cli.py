"""The administrative command `noidchecks`; what a command needs is imported when it is run."""

from __future__ import annotations

import os
import signal
import sys

import click

from . import __version__
from .errors import UsageError
from .status.state import State
from .status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def commands() -> None:
    """Health checks for FTP, TFTP and SSH servers: what a monitoring server needs besides the plugins."""


@commands.command()
def demo() -> int:
    """Starts small servers, healthy and sick ones, and lets the plugins check them.

    Everything happens on free ports of loopback, needs no root and is gone afterwards. The exit code is 0 when every
    check had the state that it must have, and 2 when one had not.
    """
    from .demo.show import run

    # Told to end from elsewhere, it tidies up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run(click.echo)


@commands.command("install-plugins")
@click.option("--prefix", default="", metavar="TEXT", help="Put this before each name: noid_ makes noid_check_ftp.")
@click.option("--uninstall", is_flag=True, help="Remove the links again.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.argument("folder", metavar="DIR")
def install_plugins(prefix: str, uninstall: bool, dry_run: bool, folder: str) -> int:
    """Links the plugins into the plugin folder DIR of a monitoring server.

    A file that is not ours is never replaced nor removed; ours are the symbolic links to plugins of this or another
    installation of noidchecks. The exit code is 0 when all is as asked for, 1 when the monitoring server may not be
    able to run the plugins, 2 when a file of somebody else is in the way (then nothing is linked), 3 when it could not
    be done.
    """
    from pathlib import Path

    from . import install

    act = install.uninstall if uninstall else install.install
    place = Path(os.path.abspath(folder))
    return act(install.executables(), place, lambda line: click.echo(printable(line)), prefix=prefix, dry_run=dry_run)


@commands.command()
def definitions() -> int:
    """Prints the folder with the definitions for Nagios and Icinga 2 and with examples for load balancers."""
    from . import install

    click.echo(install.definitions())
    return State.OK


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command with the arguments, by default those of the process, and ends it with an exit code 0..3.

    click would exit with 2 on a usage error and 1 on a defect, which monitoring servers read as CRITICAL and WARNING;
    here both are UNKNOWN, with one line on standard output.
    """
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        outcome = commands.main(arguments, prog_name="noidchecks", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.ClickException as error:
        click.echo(f"noidchecks: {printable(error.format_message())}")
    except UsageError as error:
        click.echo(f"noidchecks: {printable(str(error))}")
    except SystemExit:
        # click's answer when nobody reads any more; the interpreter must not find that out again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("noidchecks: interrupted")
    except Exception as error:
        click.echo(f"noidchecks: internal error: {type(error).__name__}: {printable(str(error))}")
    else:
        return outcome if isinstance(outcome, int) else State.OK
    return State.UNKNOWN
