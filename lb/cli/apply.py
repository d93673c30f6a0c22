"""What `noidlb apply` and `noidlb show` do."""

from __future__ import annotations

from itertools import chain

import click

from ..config.hints import hints
from ..config.load import load
from ..doctor.host import obstacles
from ..guardian.commands import require_usable
from ..nft.compile import compile_table
from ..nft.table import render
from ..service.state import StateFolder
from . import direct
from .codes import DONE
from .operate import uncollected
from .speak import require_no_guardian


def apply_file(file: str, folder: str, socket: str | None, *, cut: bool) -> int:
    """Applies a farms file and prints the changes; GuardError when a guardian runs."""
    with uncollected():
        configuration = load(file)
        farms = configuration.farms
        require_usable(farms)
        require_no_guardian(folder, socket)
        found = obstacles(farms, in_pair=configuration.pair is not None)
        warnings = chain(hints(farms), (f"{one.subject}: {one.text}: {one.cure}" for one in found))
        direct.apply(configuration, StateFolder(folder), warnings, cut=cut)
    return DONE


def show_file(file: str, folder: str) -> int:
    """Prints the table of a farms file with the operator's overrides as nft text."""
    farms = load(file).farms
    overrides = direct.read_overrides(StateFolder(folder))
    click.echo(render(compile_table(farms, overrides.conditions(), overrides.stopped_of(farms))), nl=False)
    return DONE
