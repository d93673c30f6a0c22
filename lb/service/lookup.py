"""Looks up items by the name that the operator gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from .protocol import RequestError


class Named(Protocol):
    """An item with a name: a farm, its status, a backend, a node of a pair."""

    @property
    def name(self) -> str:
        """The name."""


N = TypeVar("N", bound=Named)


def find(items: Sequence[N], name: str, complaint: str = "there is no farm") -> N:
    """Returns the item with this name; RequestError, with the most similar name, when there is none."""
    found = {item.name: item for item in items}
    if name in found:
        return found[name]
    # Imported here because only commands that fail need it.
    from difflib import get_close_matches

    known = list(found)
    near = get_close_matches(name[:63], known, n=1)
    more = ", ..." if len(known) > 10 else ""
    hint = f": did you mean {near[0]!r}?" if near else f"; known are {', '.join(known[:10])}{more}"
    raise RequestError(f"{complaint} {name!r}{hint}")
