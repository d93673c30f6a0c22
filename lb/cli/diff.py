"""What `noidlb diff` does."""

from __future__ import annotations

import click

from ..config.load import load
from .codes import DONE, FOUND
from .speak import speak


def print_difference(file: str, folder: str, socket: str | None) -> int:
    """Prints what applying the file would change, or what a running guardian would change after reading it."""
    configuration = load(file)
    answer = speak(folder, socket, {"do": "diff", "text": configuration.text})
    if answer is None:
        # Imported here because a running guardian computes the difference itself.
        from ..nft.plan import difference, plan
        from ..service.state import StateFolder
        from .direct import read_overrides

        change = plan(configuration.farms, read_overrides(StateFolder(folder)))
        found, lines = bool(change.batches), difference(change, configuration.farms)
    else:
        found, lines = answer["found"], answer["lines"]
    click.echo("\n".join(lines))
    return FOUND if found else DONE
