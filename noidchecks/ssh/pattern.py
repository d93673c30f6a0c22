"""Regular expressions of Python, searched in a time that no text can stretch.

re tries one way through a pattern after the other: for `(a+)*b` and a text of 30 letters there are 2**30 of them, and
it listens to no deadline and no signal meanwhile. So what a server sends is searched by all ways at once (Thompson
1968): each part of the pattern turns the set of places that were reached into the set of those that it leads to. A set
is an integer, one bit a place. The parts come from re's own parser, and re compares single characters, so that the
language is the same; only what needs one certain way, as backreferences do, is refused.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from re import _compiler, _parser  # type: ignore[attr-defined]  # private; tests compare their language with re's

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    class Part(Protocol):
        """A part of a pattern."""

        def ends(self, search: Search, starts: int) -> int:
            """Returns the places at which the part can end when it begins at one of the starts."""


_CHARACTERS = ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT")
# Each level takes three frames of Python's stack.
_DEEPEST = 100


class Refused(ValueError):
    """A regular expression that cannot be searched in bounded time; the message is the end of a sentence about it."""


@lru_cache(maxsize=256)
def read(pattern: str) -> Part:
    """Returns the pattern for is_found(); Refused, and whatever re raises for what is no regular expression."""
    with warnings.catch_warnings():
        # A warning about a future syntax of re does not belong on standard error.
        warnings.simplefilter("ignore")
        re.compile(pattern)
        tree = _parser.parse(pattern)
    return _Builder(tree.state).sequence(tree, ())


def is_found(pattern: Part, text: str) -> bool:
    """Tells whether the pattern matches somewhere in the text."""
    return pattern.ends(Search(text), (2 << len(text)) - 1) != 0


class Search:
    """One search: its text, and where parts that were tried from a place can end."""

    __slots__ = ("text", "_ends")

    def __init__(self, text: str) -> None:
        self.text = text
        self._ends: dict[tuple[int, int], int] = {}

    def ends(self, part: Part, starts: int) -> int:
        """Returns what the part does, which is tried only once from each place."""
        found = 0
        for place in _places(starts):
            key = id(part), place
            if key not in self._ends:
                self._ends[key] = part.ends(self, 1 << place)
            found |= self._ends[key]
        return found


class _Character:
    """A character of some kind, or a kind of place; as a pattern of re that has nothing to choose."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def ends(self, search: Search, starts: int) -> int:
        found = 0
        for place in _places(starts):
            if match := self._pattern.match(search.text, place):
                found |= 1 << match.end()
        return found


class _Sequence:
    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts

    def ends(self, search: Search, starts: int) -> int:
        for part in self._parts:
            if not starts:
                break
            starts = part.ends(search, starts)
        return starts


class _Branch:
    def __init__(self, ways: list[Part]) -> None:
        self._ways = ways

    def ends(self, search: Search, starts: int) -> int:
        found = 0
        for way in self._ways:
            found |= way.ends(search, starts)
        return found


class _Repeat:
    def __init__(self, least: int, most: int, body: Part) -> None:
        self._least, self._most, self._body = least, most, body

    def ends(self, search: Search, starts: int) -> int:
        for _ in range(self._least):
            after = search.ends(self._body, starts)
            if after == starts:
                # So it stays, which is after as many rounds as the text has places at the latest.
                break
            starts = after
        found = new = starts
        for _ in range(self._most - self._least):
            new = search.ends(self._body, new) & ~found
            if not new:
                break
            found |= new
        return found


class _Look:
    """Keeps the places at which the body matches, or does not match; behind is its width when it looks behind."""

    def __init__(self, body: Part, behind: int | None, *, wants: bool) -> None:
        self._body, self._behind, self._wants = body, behind, wants

    def ends(self, search: Search, starts: int) -> int:
        return sum(1 << place for place in _places(starts) if self._matches(search, place) is self._wants)

    def _matches(self, search: Search, place: int) -> bool:
        begin = place - (self._behind or 0)
        # What looks behind has a fixed width, and ends at the place.
        return begin >= 0 and search.ends(self._body, 1 << begin) != 0


class _Builder:
    """Makes parts of what re's parser found."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def sequence(self, tree: Any, scopes: tuple[tuple[int, int], ...], depth: int = 0) -> Part:
        """Returns the part for a tree; scopes are the flags that the groups around it add and remove."""
        if depth > _DEEPEST:
            raise Refused(f"is nested more than {_DEEPEST} levels deep")
        parts = [self._part(op.name, argument, (op, argument), scopes, depth + 1) for op, argument in tree]
        return parts[0] if len(parts) == 1 else _Sequence(parts)

    def _part(self, name: str, argument: Any, item: Any, scopes: tuple[tuple[int, int], ...], depth: int) -> Part:
        if name in _CHARACTERS:
            return self._character(item, scopes)
        if name == "SUBPATTERN":
            _, added, removed, body = argument
            return self.sequence(body, (*scopes, (added, removed)), depth)
        if name == "BRANCH":
            return _Branch([self.sequence(way, scopes, depth) for way in argument[1]])
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, body = argument
            return _Repeat(int(least), int(most), self.sequence(body, scopes, depth))
        if name in ("ASSERT", "ASSERT_NOT"):
            direction, body = argument
            behind = int(body.getwidth()[0]) if direction < 0 else None
            return _Look(self.sequence(body, scopes, depth), behind, wants=name == "ASSERT")
        if name == "FAILURE":
            return _Branch([])
        raise Refused("must have no backreferences, conditions, atomic groups and possessive repeats")

    def _character(self, item: Any, scopes: tuple[tuple[int, int], ...]) -> Part:
        tree = _parser.SubPattern(self._state, [item])
        for added, removed in reversed(scopes):
            tree = _parser.SubPattern(self._state, [(_parser.SUBPATTERN, (None, added, removed, tree))])
        return _Character(_compiler.compile(tree))


def _places(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
