"""The status of farms for people: a table that fits the terminal, in colour if the terminal shows colours."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple
from unicodedata import combining, east_asian_width

import click

from noidchecks.status.text import printable

from ..farm_status import BackendStatus, BackendView, FarmStatus

_HEAD = ("FARM", "BACKEND", "ADDRESS", "STATE", "WEIGHT", "SHARE", "CURRENT", "TOTAL", "GUARDIAN")
_STATE, _WEIGHT, _SHARE, _CURRENT, _TOTAL, _GUARDIAN = range(3, 9)
# The columns of numbers.
_RIGHT = range(_WEIGHT, _GUARDIAN)
# The columns that are left out, in this order, until a line fits.
_SPARED = (_WEIGHT, _TOTAL, _CURRENT, _SHARE)
# A remark that has less room than this beside its line gets a line of its own.
_ROOM = 40
_INDENT = "    "
_COLORS = {
    **dict.fromkeys(("serving", "up"), "green"),
    **dict.fromkeys(("refusing", "absent", "down"), "red"),
    **dict.fromkeys(("partial", "stopped", "drain", "standby", "unknown"), "yellow"),
}


class Terminal(NamedTuple):
    """The terminal: its width in columns, None without a limit, and whether it shows colours."""

    width: int | None = None
    has_colors: bool = False


class _Row(NamedTuple):
    """The cells of a line, and the remark after them."""

    cells: tuple[str, ...]
    remark: str = ""


def terminal() -> Terminal:
    """Returns the properties of standard output: only a terminal has a width, and colours unless NO_COLOR is set."""
    try:
        if not sys.stdout.isatty():
            return Terminal()
    except (AttributeError, ValueError):
        # Standard output is closed.
        return Terminal()
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    # Imported here because its import, with the compression modules, takes a tenth of the time of click's.
    import shutil

    return Terminal(max(1, shutil.get_terminal_size().columns), not plain)


def to_table(statuses: tuple[FarmStatus, ...], where: Terminal | None = None) -> str:
    """Writes a line for each farm with its sums, and one for each of its backends."""
    where = where or Terminal()
    rows = [_Row(_HEAD), *(row for farm in statuses for row in _rows(farm))]
    columns = list(range(len(_HEAD)))
    if not any(one.guardian for farm in statuses for one in farm.backends):
        # No guardian runs, so its column would be empty.
        columns.remove(_GUARDIAN)
    widths = [max(map(_columns, cells)) for cells in zip(*(row.cells for row in rows), strict=True)]
    columns, gap = _fit(columns, widths, where.width)
    length = sum(widths[column] for column in columns) + len(gap) * (len(columns) - 1)
    longest = max(_columns(row.remark) for row in rows)
    room = None if where.width is None else where.width - length - len(gap)
    is_beside = room is None or room >= min(longest, _ROOM)
    lines = []
    for row in rows:
        line = gap.join(_padded(row.cells[column], widths[column], column in _RIGHT) for column in columns)
        if is_beside and row.remark:
            line += gap + _cut(row.remark, room)
        line = _cut(line.rstrip(), where.width)
        lines.append(_colored(line, row) if where.has_colors else line)
        if not is_beside and row.remark:
            lines.append(_cut(_INDENT + row.remark, where.width))
    return "\n".join(lines)


def _fit(columns: list[int], widths: list[int], width: int | None) -> tuple[list[int], str]:
    """Returns the columns that fit into the width, and the gap between them."""
    for count in range(len(_SPARED) + 1):
        kept = [column for column in columns if column not in _SPARED[:count]]
        for gap in ("  ", " "):
            if width is None or sum(widths[column] for column in kept) + len(gap) * (len(kept) - 1) <= width:
                return kept, gap
    return kept, gap


def _rows(farm: FarmStatus) -> list[_Row]:
    total = sum(one.total for one in farm.backends)
    sums = _counted(farm.current), str(total)
    services = f"{farm.services[0]}{' ...' if len(farm.services) > 1 else ''}"
    head = _Row((farm.name, farm.protocol, services, farm.state, "", "", *sums, ""), farm.differences)
    return [head, *(_row(one) for one in farm.backends)]


def _row(one: BackendStatus) -> _Row:
    cells = (
        "",
        one.name,
        one.place,
        one.state,
        str(one.weight),
        f"{100 * one.share:.0f} %",
        _counted(one.current),
        str(one.total),
        _sight(one.guardian),
    )
    remarks = (
        f"operator: {one.word}" if one.word else "",
        one.loss,
        _reason(one.guardian),
    )
    return _Row(cells, "; ".join(filter(None, remarks)))


def _counted(flows: int | None) -> str:
    return "?" if flows is None else str(flows)


def _sight(seen: BackendView | None) -> str:
    if seen is None:
        return ""
    return seen.state if seen.seconds is None else f"{seen.state} {seen.seconds:.3f}s"


def _reason(seen: BackendView | None) -> str:
    if seen is None or not seen.reason:
        return ""
    # Imported here because only a backend with a reason can have a time.
    from ..events import stamp

    since = f"since {stamp(seen.since)[:19]}Z: " if seen.since is not None and seen.state == "down" else ""
    return printable(f"{since}{seen.reason}", 200)


def _padded(cell: str, width: int, is_number: bool) -> str:
    space = " " * (width - _columns(cell))
    return space + cell if is_number else cell + space


def _columns(text: str) -> int:
    """Returns the width of a text in a terminal's columns."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def _cut(text: str, width: int | None) -> str:
    if width is None or _columns(text) <= width:
        return text
    while text and _columns(text) > width - 1:
        text = text[:-1]
    return f"{text}…" if width > 0 else ""


def _colored(line: str, row: _Row) -> str:
    """Colours the state, and what the guardian sees; a line that was cut before them stays as it is."""
    begin = 0
    for column in (_STATE, _GUARDIAN):
        word = row.cells[column].partition(" ")[0]
        color = _COLORS.get(word)
        if color is None:
            continue
        # Searched behind the name and the address, which may contain the word of a state.
        begin = line.find(f" {word}", begin or _columns("".join(row.cells[:_STATE])))
        if begin < 0:
            break
        colored = click.style(word, fg=color)
        line = f"{line[: begin + 1]}{colored}{line[begin + 1 + len(word) :]}"
        begin += len(colored)
    return line
