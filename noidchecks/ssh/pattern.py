"""Searches Python's regular expressions in bounded time, whatever the text.

re backtracks: for `(a+)*b` and a text of 30 letters it tries 2**30 paths, and it cannot be interrupted by a deadline or
a signal meanwhile. Therefore a server's text is searched along all paths at once (Thompson 1968): each part of the
pattern maps the set of reached positions to the set of positions at which the part can end. A set is an integer with
one bit per position. The parts come from re's own parser, and re matches the single characters, so that the language is
the same; constructs that depend on one particular path, such as backreferences, are refused.
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
            """Returns the positions at which the part can end when it begins at one of the starts."""


_CHARACTERS = ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT")
# The deepest nesting; each level takes three frames of Python's stack.
_DEEPEST = 100


class Refused(ValueError):
    """A regular expression that cannot be searched in bounded time; the message completes a sentence about it."""


@lru_cache(maxsize=256)
def read(pattern: str) -> Part:
    """Returns the pattern for is_found(); raises Refused, or re's exceptions for an invalid regular expression."""
    with warnings.catch_warnings():
        # re's warnings about future syntax must not appear on standard error.
        warnings.simplefilter("ignore")
        re.compile(pattern)
        tree = _parser.parse(pattern)
    return _Builder(tree.state).sequence(tree, ())


def is_found(pattern: Part, text: str) -> bool:
    """Tells whether the pattern matches somewhere in the text."""
    return pattern.ends(Search(text), (2 << len(text)) - 1) != 0


class Search:
    """One search: its text, and the end positions of the parts by the positions from which they were tried."""

    __slots__ = ("text", "_ends")

    def __init__(self, text: str) -> None:
        self.text = text
        self._ends: dict[tuple[int, int], int] = {}

    def ends(self, part: Part, starts: int) -> int:
        """Returns part.ends(), computed only once for each position."""
        found = 0
        for place in _places(starts):
            key = id(part), place
            if key not in self._ends:
                self._ends[key] = part.ends(self, 1 << place)
            found |= self._ends[key]
        return found


class _Character:
    """A character, a character class or an assertion such as `^`, as a pattern of re without alternatives."""

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
                # Further rounds change nothing. That is the case at the latest after as many rounds as positions.
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
    """A lookahead or lookbehind: keeps the positions at which the body matches or, unless wants, does not match.

    behind is the width of a lookbehind, None for a lookahead.
    """

    def __init__(self, body: Part, behind: int | None, *, wants: bool) -> None:
        self._body, self._behind, self._wants = body, behind, wants

    def ends(self, search: Search, starts: int) -> int:
        return sum(1 << place for place in _places(starts) if self._matches(search, place) is self._wants)

    def _matches(self, search: Search, place: int) -> bool:
        begin = place - (self._behind or 0)
        # A lookbehind has a fixed width, so it ends at the position.
        return begin >= 0 and search.ends(self._body, 1 << begin) != 0


class _Builder:
    """Converts the tree of re's parser to parts."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def sequence(self, tree: Any, scopes: tuple[tuple[int, int], ...], depth: int = 0) -> Part:
        """Returns the part for a tree; scopes are the flags that the enclosing groups add and remove."""
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
