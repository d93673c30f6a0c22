"""The command `noidlb pair`: the files of one of two balancers, and what cannot work in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from noidchecks.status.text import printable

from ..config.load import load
from ..doctor.finding import FAULT, OK, WARN, Finding
from ..doctor.takeover import look_at
from ..farm import FarmError
from ..nft.run import KernelError, find, run
from ..pair.files import ForeignFileError, PathError, files_of, write_files
from ..role import DEFAULT_RUN
from ..service.state import StateError
from ..service.verbs import find as find_named
from .names import DEFAULT_FILE, node_names

DEFAULT_FOLDER = "/etc/noidlb/pair"
_DONE, _FOUND = 0, 1

Command = TypeVar("Command", bound=Callable[..., Any])

# keepalived -t reads a few files, and no network.
_TIMEOUT = 30.0


@click.command()
@click.argument("file", envvar="NOIDLB_FILE", default=DEFAULT_FILE, type=click.Path())
@click.option("--node", "name", shell_complete=node_names, help="Whose files they are: a name below pair.nodes.")
@click.option("--out", type=click.Path(path_type=Path), help=f"The folder to write them to, as {DEFAULT_FOLDER}.")
@click.option(
    "--run-dir",
    default=DEFAULT_RUN,
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where lock, socket and role are.",
)
@click.option("--check", is_flag=True, help="Look for what cannot work, and let keepalived read what was written.")
@click.option("--hash", "only_hash", is_flag=True, help="Print the file's hash, which must be the same on both nodes.")
@click.option("--force", is_flag=True, help="Overwrite files that noidlb has not written.")
def pair(
    file: str, name: str | None, out: Path | None, run_dir: Path, check: bool, only_hash: bool, force: bool
) -> int:
    """Writes keepalived.conf, conntrackd.conf, the notify script and the kernel settings of one of two balancers."""
    configuration = load(file)
    both = configuration.pair
    if both is None:
        raise FarmError("pair", "is missing; docs/pair.md shows how it is written")
    if only_hash:
        click.echo(configuration.digest)
        return _DONE
    if name is None and not check:
        raise click.UsageError("name the node with --node, or ask with --check or --hash")
    if name is not None:
        node = find_named(both.nodes, name, "there is no node")
        if out is None:
            raise click.UsageError("name the folder for the files with --out")
        folder = out.resolve()
        try:
            write_files(files_of(both, node, configuration, folder, run_dir), folder, force=force)
        except PathError as error:
            raise click.UsageError(str(error)) from error
        except (OSError, ForeignFileError) as error:
            raise StateError(str(error)) from error
        click.echo(f"{folder}: files of {node.name} written")
    if not check:
        return _DONE
    findings = [*look_at(both, configuration.farms), *([_keepalived(out.resolve())] if out is not None else [])]
    for finding in findings:
        click.echo(printable(str(finding)))
    return _FOUND if any(finding.level == FAULT for finding in findings) else _DONE


run_option = click.option(
    "--run-dir",
    default=DEFAULT_RUN,
    show_default=True,
    type=click.Path(path_type=Path),
    help="The --run-dir of pair.",
)


def pair_folders(command: Command) -> Command:
    """Gives a command the options that say where the files of this node and of its daemons are."""
    path = click.Path(path_type=Path)
    written = click.option(
        "--pair-dir", default=DEFAULT_FOLDER, show_default=True, type=path, help="The --out of pair."
    )
    return written(run_option(command))


def _keepalived(folder: Path) -> Finding:
    try:
        program = find("keepalived", "keepalived")
        answer = run([program, "-t", "-f", str(folder / "keepalived.conf")], timeout=_TIMEOUT)
    except KernelError as error:
        return Finding(WARN, "keepalived -t", f"{error}: the configuration was not checked")
    if answer.code == 0:
        return Finding(OK, "keepalived -t", "takes the configuration")
    said = "; ".join(answer.errors.strip().splitlines()[-4:]) or "it gives no reason"
    return Finding(FAULT, "keepalived -t", f"exit code {answer.code}: {said[:400]}")
