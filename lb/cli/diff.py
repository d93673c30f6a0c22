"""The command `noidlb diff`: what apply would change, or a running guardian."""

from __future__ import annotations

import click

from ..config.load import load
from ..nft.plan import difference, plan
from ..service.direct import read_words
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
    configuration = load(file)
    answer = speak(folder, socket, {"do": "diff", "text": configuration.text})
    if answer is None:
        change = plan(configuration.farms, read_words(folder))
        found, lines = bool(change.batches), difference(change, configuration.farms)
    else:
        found, lines = answer["found"], answer["lines"]
    click.echo("\n".join(lines))
    return 1 if found else 0
