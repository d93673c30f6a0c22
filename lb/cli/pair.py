"""What `noidlb pair` does: writes the files of one node of a pair, and checks whether they can work."""

from __future__ import annotations

from pathlib import Path

import click

from noidchecks.status.text import printable

from ..config.load import load
from ..doctor.finding import FAULT, OK, WARN, Finding
from ..doctor.takeover import look_at
from ..errors import FarmError
from ..nft.run import KernelError, find, run
from ..pair.files import ForeignFileError, PathError, files_of, write_files
from ..service.lookup import find as find_named
from ..service.state import StateError
from .codes import DONE, FOUND

# Seconds; keepalived -t reads a few files and does not use the network.
_TIMEOUT = 30.0


def write_pair(
    file: str, name: str | None, out: str | None, run_dir: str, *, check: bool, only_hash: bool, force: bool
) -> int:
    """Writes the files of the node of that name, or checks them, and returns the exit code."""
    configuration = load(file)
    both = configuration.pair
    if both is None:
        raise FarmError("pair", "is missing; docs/pair.md shows how it is written")
    folder = None if out is None else Path(out).resolve()
    if only_hash:
        click.echo(configuration.digest)
        return DONE
    if name is None and not check:
        raise click.UsageError("name the node with --node, or ask with --check or --hash")
    if name is not None:
        node = find_named(both.nodes, name, "there is no node")
        if folder is None:
            raise click.UsageError("name the folder for the files with --out")
        try:
            write_files(files_of(both, node, configuration, folder, Path(run_dir)), folder, force=force)
        except PathError as error:
            raise click.UsageError(str(error)) from error
        except (OSError, ForeignFileError) as error:
            raise StateError(str(error)) from error
        click.echo(f"{folder}: files of {node.name} written")
    if not check:
        return DONE
    findings = [*look_at(both, configuration.farms), *([_keepalived(folder)] if folder is not None else [])]
    for finding in findings:
        click.echo(printable(str(finding)))
    return FOUND if any(finding.level == FAULT for finding in findings) else DONE


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
