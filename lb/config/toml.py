"""Reads TOML: the plain lines of large farms files itself, and any other text by tomllib.

tomllib takes 0.1 ms for each farm, longer than all that is then done with it. Most lines of a file with hundreds of
farms are a header, or a key with one string, number or boolean, or with a table or a list of them; a regular
expression reads them in a quarter of the time. The first line that is anything else, wrong or only rare, has tomllib
read the whole text: what is returned and what is refused is always what tomllib returns and refuses.
"""

from __future__ import annotations

import re
from typing import Any

_KEY = r"[A-Za-z0-9_-]+"
_STRING = r'"[^"\\\x00-\x1f\x7f]*"'
# No more than 18 digits: Python refuses thousands of them.
_INTEGER = r"(?:0|[1-9][0-9]{0,17})"
_SCALAR = rf"(?:{_STRING}|{_INTEGER}(?:\.[0-9]{{1,17}})?|true|false)"
_PAIR = rf"{_KEY} *= *{_SCALAR}"
_CAUGHT_PAIR = rf"({_KEY}) *= *({_SCALAR})"
_TABLE = rf"\{{ *{_PAIR}(?: *, *{_PAIR})* *\}}"
_LISTED = rf"(?:\[ *{_SCALAR}(?: *, *{_SCALAR})* *\]|\[ *{_TABLE}(?: *, *{_TABLE})* *\])"
_COMPOUND = rf"(?:{_LISTED}|{_TABLE})"
_LINE = re.compile(
    rf"(?:({_KEY}) *= *(?:({_SCALAR})|({_COMPOUND}))|\[({_KEY}(?:\.{_KEY})*)\]|\[\[({_KEY}(?:\.{_KEY})*)\]\])?"
    r" *(?:#[^\x00-\x08\x0a-\x1f\x7f]*)?"
)
# The last group of it that matches: a key's value, or a header, or one of a list of tables; none in an empty line.
_SCALAR_GROUP, _COMPOUND_GROUP, _HEADER_GROUP = 2, 3, 4
_NAMED = {"true": True, "false": False}
# A longer line is for tomllib: the expression keeps its place for each item of a list.
_LONGEST = 1 << 16


def loads(text: str) -> dict[str, Any]:
    """Returns what tomllib.loads() does, and raises what it raises: TOMLDecodeError, ValueError, RecursionError."""
    found = _plain(text)
    if found is not None:
        return found
    # Loading it takes as long as reading 50 farms.
    import tomllib

    return tomllib.loads(text)


def _plain(text: str) -> dict[str, Any] | None:
    """Reads a text of plain lines; None when it has another line, or when a name is there already."""
    document: dict[str, Any] = {}
    table = document
    # Headers may lead through these alone: not through the tables and lists that are values.
    opened: set[int] = {id(document)}
    for line in text.split("\n"):
        # Stripped here, because two runs of spaces side by side take the expression quadratic time.
        stripped = line.strip(" \t")
        found = _LINE.fullmatch(stripped) if len(stripped) <= _LONGEST else None
        if found is None:
            return None
        kind = found.lastindex
        if kind in (_SCALAR_GROUP, _COMPOUND_GROUP):
            key, value = found[1], _scalar(found[2]) if kind == _SCALAR_GROUP else _compound(found[3])
            if key in table or value is None:
                return None
            table[key] = value
        elif kind is not None:
            *parents, name = found[kind].split(".")
            table = document
            for parent in parents:
                if parent not in table:
                    table[parent] = {}
                    opened.add(id(table[parent]))
                into = table[parent]
                if id(into) not in opened:
                    return None
                table = into[-1] if isinstance(into, list) else into
            made: dict[str, Any] = {}
            if kind == _HEADER_GROUP:
                if name in table:
                    return None
                table[name] = made
            else:
                if name not in table:
                    table[name] = []
                    opened.add(id(table[name]))
                rows = table[name]
                if not isinstance(rows, list) or id(rows) not in opened:
                    return None
                rows.append(made)
            table = made
            opened.add(id(made))
    return document


def _scalar(text: str) -> str | float | bool:
    if text[0] == '"':
        return text[1:-1]
    if text in _NAMED:
        return _NAMED[text]
    return float(text) if "." in text else int(text)


def _compound(text: str) -> list[Any] | dict[str, Any] | None:
    """Returns a table, or a list of scalars or of tables; None when a table has a key twice."""
    if text.lstrip("[ ")[0] != "{":
        return [_scalar(one) for one in re.findall(_SCALAR, text)]
    rows = []
    for one in re.findall(_TABLE, text):
        pairs = re.findall(_CAUGHT_PAIR, one)
        row = {key: _scalar(value) for key, value in pairs}
        if len(row) != len(pairs):
            return None
        rows.append(row)
    return rows[0] if text[0] == "{" else rows
