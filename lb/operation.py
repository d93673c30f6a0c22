"""What the operator's commands have in common: the farms and words of the moment, carrying out, and reporting it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import click

from lb import conntrack, modules
from lb.apply import Plan, describe
from lb.config import MAX_SIZE, load, parse
from lb.farm import Backend, Farm, FarmError
from lb.state import StateFolder
from lb.words import Words
from noidchecks.regular import read_regular
from noidchecks.status.text import printable

# How many changes are told one by one.
_TOLD = 20


def read_file(file: str) -> tuple[str, tuple[Farm, ...]]:
    """Reads a configuration as text and as farms, of one and the same moment."""
    try:
        text = read_regular(file, MAX_SIZE).decode("utf-8-sig")
    except (OSError, ValueError):
        # Whatever is wrong with the file, the right words for it are there.
        load(file)
        raise
    try:
        return text, parse(text)
    except FarmError as error:
        raise FarmError(file if error.path == "configuration" else error.path, error.message) from None


def current(folder: StateFolder, file: str | None) -> tuple[str, tuple[Farm, ...]]:
    """Reads the configuration of the file, or else the one that was applied last; UsageError when there is none."""
    if file is not None:
        return read_file(file)
    text = folder.applied()
    if text is None:
        raise click.UsageError("nothing has been applied yet: run noidlb apply FILE, or name the FILE with --file")
    return text, parse(text)


def read_words(folder: StateFolder, *, put_aside: bool = False) -> Words:
    """Reads the operator's words, and prints what is wrong with them."""
    words = folder.words(put_aside=put_aside)
    for warning in folder.warnings:
        click.echo(f"noidlb: warning: {printable(warning)}", err=True)
    folder.warnings.clear()
    return words


def find_farm(farms: tuple[Farm, ...], name: str) -> Farm:
    """Returns the farm of a name; UsageError with the nearest one there is."""
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
    text: str,
    words: Words,
    farms: tuple[Farm, ...],
    *,
    only_change: bool = False,
) -> None:
    """Runs a plan and keeps what it was made of; only_change leaves it at that when there is no table to change."""
    if only_change and plan.old is None and not plan.is_foreign:
        click.echo("there is no table in the kernel: this will hold from the next noidlb apply or start on")
    else:
        plan.run()
        lines = describe(plan, farms)
        for line in lines[:_TOLD]:
            click.echo(line)
        if len(lines) > _TOLD:
            click.echo(f"... and {len(lines) - _TOLD} more")
        if not plan.batches:
            click.echo("nothing to change")
    folder.save_applied(text)
    folder.save_words(words)


def end_flows(plan: Plan, farms: tuple[Farm, ...], *, cut: bool = False, marks: Sequence[int] = ()) -> None:
    """Ends the flows that must end with a plan, those of these marks, and, to cut, those of all that is gone."""
    pinned = plan.pinned(farms)
    if pinned:
        conntrack.cut(pinned, only_udp=True)
    marks = sorted({*marks, *(plan.gone() if cut else ())})
    if marks:
        click.echo(f"ended {number(conntrack.cut(marks), 'flow')}")


def load_modules(farms: tuple[Farm, ...]) -> None:
    """Loads the modules that nothing else loads, and prints which of them there are none of."""
    for name in modules.load(modules.nat_helpers(farms)):
        click.echo(
            f"noidlb: warning: the kernel lacks {name}, so data connections will fail: modprobe {name}", err=True
        )


def remind(words: Words, farms: tuple[Farm, ...]) -> None:
    """Prints which farms are stopped, because apply leaves them so."""
    stopped = sorted(words.stopped_of(farms))
    if words.all_stopped:
        click.echo("all farms are stopped: noidlb start lets them serve")
    elif stopped:
        click.echo(f"stopped: {', '.join(stopped[:10])}: noidlb start FARM lets one serve")


def number(count: int, what: str) -> str:
    """Returns a count of something in words, such as 1 farm or 2 farms."""
    return f"{count} {what}{'s' * (count != 1)}"
