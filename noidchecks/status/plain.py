"""Converts values to those that JSON has: objects, lists, strings, finite numbers, true, false and null."""

from __future__ import annotations

from .state import State
from .text import printable


def plain(value: object) -> object:
    """Returns the value for JSON: a State as its name, bytes and values of other types as printable text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # A lone surrogate could not be written as UTF-8.
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, State):
        return value.name
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {str(plain(name if isinstance(name, str) else str(name))): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    return printable(value if isinstance(value, bytes) else str(value))
