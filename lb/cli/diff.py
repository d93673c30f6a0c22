"""The command `noidlb diff`: what apply would change, or a running guardian."""

from __future__ import annotations

import time

import click

from ..config.load import load
from ..guardian.outlook import understand
from ..nft.plan import describe, plan
from ..service.operation import read_words
from ..service.state import StateFolder
from .guard import file_argument, socket_option, speak, state_option


@click.command()
@file_argument
@socket_option
@state_option
def diff(file: str, socket: str | None, folder: StateFolder) -> int:
    """Prints what apply would change in the kernel, as nft text below the same in words; exit code 1 if anything.

    While a guardian runs it is what the guardian would change after reading FILE, with all that it sees.
    """
    farms = load(file)
    answer = speak(folder, socket, {"do": "tell"})
    if answer is None:
        change = plan(farms, read_words(folder))
        unchecked = []
    else:
        known = understand(answer.get("knowledge"))
        change = plan(farms, known.words, known.conditions(farms, time.monotonic()))
        unchecked = known.unchecked(farms)
    for name in unchecked:
        click.echo(f"# farm {name}: a new command; what serves goes on serving until its first result")
    if not change.batches:
        click.echo("nothing to change")
        return 0
    if answer is not None:
        click.echo("# what the running guardian would change, had it read this file")
    for line in describe(change, farms):
        click.echo(f"# {line}")
    for count, batch in enumerate(change.batches, 1):
        click.echo(f"# transaction {count} of {len(change.batches)}")
        click.echo(batch, nl=False)
    return 1
