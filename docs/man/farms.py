"""The manual page farms.toml(5), from the tables of keys in the pages about farms, guardians and pairs.

A test compares these tables with the keys that the reader of the file knows.
"""

from __future__ import annotations

import re
from pathlib import Path

from .roff import Page, bold

DOCS = Path(__file__).parents[1]
# The file with the table, the beginning of its heading row, and where its keys stand in a farms file.
TABLES = (
    ("farms.md", "| key of a farm |", "[farms.NAME]"),
    ("farms.md", "| key of a backend |", "[[farms.NAME.backends]]"),
    ("guardian.md", "| key of `[farms.NAME.guardian]` |", "[farms.NAME.guardian]"),
    ("guardian.md", "| key of `[service]` |", "[service]"),
    ("pair.md", "| key of `pair` |", "[pair]"),
)
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
_EXAMPLE = """\
[farms.public-ftp]
protocol = "ftp"
vip = ["192.0.2.10", "2001:db8::10"]
backends = [
    { name = "b1", address = ["10.0.1.11", "fd00:1::11"] },
    { name = "b2", address = ["10.0.1.12", "fd00:1::12"] },
]

[farms.public-ftp.guardian]
command = "check_ftp -H HOST"
"""


def table(file: str, heading: str) -> list[list[str]]:
    """Returns the cells of a table, its heading first; ValueError for a page without the table."""
    _, found, rest = (DOCS / file).read_text(encoding="utf-8").partition(f"\n{heading}")
    if not found:
        raise ValueError(f"{file} has no table that begins with {heading}")
    lines = f"{heading}{rest}".splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[:end]]
    return [cells[0], *cells[2:]]


def keys(file: str, heading: str) -> list[str]:
    """Returns the keys that a table explains, where one row may have several."""
    return [name for first, *_ in table(file, heading)[1:] for name in re.findall(r"`([a-z-]+)`", first)]


def farms_page(*, date: str, version: str) -> Page:
    """Returns the page."""
    made = Page("farms.toml", 5, "the farms of noidlb", date=date, version=version)
    made.section("DESCRIPTION")
    made.text(
        "A TOML file that `noidlb`(8) reads: farms, each with a virtual address and its backends. Without another name"
        " it is `/etc/noidlb/farms.toml`. `noidlb check` prints all that is wrong with one.\n\n"
        'Durations are numbers of seconds, or words such as `"500ms"`, `"5s"`, `"5m"`, `"1h"`, `"1d"`.'
    )
    for file, heading, place in TABLES:
        made.section(f'"{place}"')
        (_, title, _), *rows = table(file, heading)
        made.items((_term(key), _meaning(title, value, meaning)) for key, value, meaning in rows)
    made.section("EXAMPLES")
    made.lines(_EXAMPLE)
    made.section("SEE ALSO")
    made.text("`noidlb`(8), `check_ftp`(1), `check_tftp`(1), `check_ssh`(1), `check_sftp`(1)")
    return made


def _term(first: str) -> str:
    return ", ".join(map(bold, re.findall(r"`([^`]*)`", first)))


def _meaning(title: str, value: str, meaning: str) -> str:
    words = _plain(meaning)
    sentence = f"{words[:1].upper()}{words[1:]}."
    return sentence if value in ("", "none") else f"{sentence} {title.capitalize()}: {_plain(value)}."


def _plain(cell: str) -> str:
    return _LINK.sub(r"\1", cell).replace("\\|", "|").rstrip(".")
