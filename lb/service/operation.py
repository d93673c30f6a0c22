"""What the operator's commands have in common: the farms and words of the moment, carrying out, and reporting it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import product
from typing import TypeVar

import click

from noidchecks.status.text import printable

from ..config.load import Configuration, load, parse
from ..farm import Backend, Farm
from ..nft import conntrack, host as modules
from ..nft.flows import Match, ending_of
from ..nft.plan import Plan, describe
from ..nft.run import KernelError
from ..overrides import Overrides
from ..status import FarmStatus
from .state import StateError, StateFolder

Named = TypeVar("Named", Farm, FarmStatus)

# How many changes are told one by one.
_TOLD = 20


def current(folder: StateFolder, file: str | None) -> Configuration:
    """Reads the configuration of the file, or else the one that was applied last; UsageError when there is none."""
    if file is not None:
        return load(file)
    text = folder.applied()
    if text is None:
        raise click.UsageError("nothing has been applied yet: run noidlb apply FILE, or name the FILE with --file")
    return parse(text)


def read_words(folder: StateFolder, *, put_aside: bool = False) -> Overrides:
    """Reads the operator's words, and prints what is wrong with them."""
    words = folder.words(put_aside=put_aside)
    for warning in folder.warnings:
        tell(f"noidlb: warning: {printable(warning)}", err=True)
    folder.warnings.clear()
    return words


def find_farm(farms: tuple[Farm, ...], name: str) -> Farm:
    """Returns the farm of a name; UsageError with the nearest one there is."""
    return named(farms, name)


def named(farms: Sequence[Named], name: str) -> Named:
    """Returns what is known of the farm of a name; UsageError with the nearest one there is."""
    found = {farm.name: farm for farm in farms}
    if name not in found:
        raise click.UsageError(f"there is no farm {name!r}{_nearest(name, list(found))}")
    return found[name]


def find_backend(farm: Farm, name: str) -> Backend:
    """Returns the backend of a name; UsageError with the nearest one there is."""
    found = {backend.name: backend for backend in farm.backends}
    if name not in found:
        raise click.UsageError(f"farm {farm.name} has no backend {name!r}{_nearest(name, list(found))}")
    return found[name]


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name[:63], known, n=1)
    if near:
        return f": did you mean {near[0]!r}?"
    return f"; known are {', '.join(known[:10])}{', ...' if len(known) > 10 else ''}"


def carry_out(
    plan: Plan,
    folder: StateFolder,
    configuration: Configuration,
    words: Overrides,
    *,
    only_change: bool = False,
    cut: bool = False,
    marks: Sequence[Match] = (),
) -> None:
    """Keeps what a plan was made of, runs it, ends the flows that end with it, and then tells what was done.

    only_change leaves it at the first when there is no table to change. cut ends all flows of what is gone, and those
    of these marks end too. In this order, because a command may be ended at any moment and its reader may leave: what
    is kept is then never older than the table. A disk that takes nothing does not keep the farms from being served;
    StateError at the end.
    """
    before, trouble = (folder.applied(), folder.words()), _keep(folder, configuration.text, words)
    if only_change and plan.old is None and not plan.foreign:
        tell("there is no table in the kernel: this will hold from the next noidlb apply or start on")
    else:
        try:
            plan.run()
        except KernelError:
            # It was refused: what is kept must not become true by the next command.
            if before[0] is not None:
                _keep(folder, before[0], before[1])
            raise
        ended = end_flows(plan, cut=cut, marks=marks)
        lines = describe(plan, configuration.farms)
        for line in lines[:_TOLD]:
            tell(line)
        if len(lines) > _TOLD:
            tell(f"... and {len(lines) - _TOLD} more")
        if not plan.batches:
            tell("nothing to change")
        if cut or marks:
            tell(f"ended {number(ended, 'flow')}")
    if trouble:
        raise StateError(f"{trouble}; the table is changed, but a restart will not know of it")


def end_flows(plan: Plan, *, cut: bool = False, marks: Sequence[Match] = ()) -> int:
    """Ends the flows that must end with a plan, those of these marks, and, to cut, those of all that is gone.

    Returns how many were cut.
    """
    ending = ending_of(plan.old, plan.new, cuts=lambda _: cut)
    ending.marks |= set(product((4, 6), marks))
    return conntrack.end(ending)


def _keep(folder: StateFolder, text: str, words: Overrides) -> str:
    try:
        folder.save_applied(text)
        folder.save_words(words)
    except StateError as error:
        return str(error)
    return ""


def tell(text: str, *, err: bool = False) -> None:
    """Prints a line; a reader that has left, or a full disk, ends nothing."""
    try:
        click.echo(text, err=err)
    except OSError:
        # Nor at the end, when the interpreter would try once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2 if err else 1)


def load_modules(farms: tuple[Farm, ...]) -> None:
    """Loads the modules that nothing else loads, and prints which of them there are none of."""
    for name in modules.load(modules.nat_helpers(farms)):
        tell(f"noidlb: warning: the kernel lacks {name}, so data connections will fail: modprobe {name}", err=True)


def remind(words: Overrides, farms: tuple[Farm, ...]) -> None:
    """Prints which farms are stopped, because apply leaves them so."""
    stopped = sorted(words.stopped_of(farms))
    if words.all_stopped:
        tell("all farms are stopped: noidlb start lets them serve")
    elif stopped:
        tell(f"stopped: {', '.join(stopped[:10])}: noidlb start FARM lets one serve")


def number(count: int, what: str) -> str:
    """Returns a count of something in words, such as 1 farm or 2 farms."""
    return f"{count} {what}{'s' * (count != 1)}"
