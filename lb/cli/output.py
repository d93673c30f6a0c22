"""Prints lines and warnings of the commands."""

from __future__ import annotations

from collections.abc import Iterable

import click

from noidchecks.command_group import leave_output
from noidchecks.status.text import printable


def warn(warnings: Iterable[str]) -> None:
    """Prints warnings."""
    for warning in warnings:
        tell(f"noidlb: warning: {printable(warning)}", err=True)


def tell(text: str, *, err: bool = False) -> None:
    """Prints a line; a closed pipe or a full disk does not end the command."""
    try:
        click.echo(text, err=err)
    except OSError:
        leave_output(2 if err else 1)
