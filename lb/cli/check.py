"""What `noidlb check` does."""

from __future__ import annotations

import click

from noidchecks.status.text import printable

from ..config.hints import faults, hints
from ..config.load import load
from ..doctor.finding import FAULT, NOTE, OK, Finding
from ..errors import FarmError
from ..guardian.commands import require_usable
from ..nft.compile import compile_table
from ..service.verbs import size_of
from .codes import DONE, FOUND
from .findings import print_findings, to_finding


def check_file(file: str, *, as_json: bool) -> int:
    """Prints the errors and hints of a configuration, and its size if it is valid; returns the exit code."""
    try:
        farms = load(file).farms
        compile_table(farms)
        require_usable(farms)
    except FarmError as error:
        if as_json:
            return print_findings([Finding(FAULT, one.where, one.message) for one in error.all], as_json=True)
        for one in error.all:
            click.echo(f"noidlb: {printable(str(one))}")
        return FOUND
    wrong = faults(farms)
    hinted = [line for line in hints(farms) if line not in wrong]
    sound = f"{size_of(farms)}: valid"
    if as_json:
        found = [to_finding(FAULT, line) for line in wrong] + [to_finding(NOTE, line) for line in hinted]
        return print_findings(found if wrong else [*found, Finding(OK, file, sound)], as_json=True)
    for line in wrong:
        click.echo(f"noidlb: {printable(line)}")
    for line in hinted:
        click.echo(f"hint: {line}")
    if wrong:
        return FOUND
    click.echo(f"{file}: {sound}")
    return DONE
