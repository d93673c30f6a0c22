"""Searching for regular expressions: the language of re, in a time that is bounded."""

from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given, settings, strategies as st

from noidchecks.ssh.pattern import Refused, is_found, read

CHARACTERS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "1", " ", r"\.", "A", "é", "ß", r"\s"])
PLACES = st.sampled_from(["^", "$", r"\b", r"\B", r"\A", r"\Z"])
COUNTS = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{2,}", "{1,3}?", "{0}"])
GROUPS = st.sampled_from(["({})", "(?:{})", "(?i:{})", "(?s-i:{})", "(?={})", "(?!{})", "(?P<n>{})", "(?a:{})"])


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    grouped = st.builds(lambda group, body: group.format(body), GROUPS.filter(lambda group: "<n>" not in group), inner)
    return st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda ways: f"(?:{'|'.join(ways)})"),
        st.builds(lambda body, count: f"(?:{body}){count}", inner, COUNTS),
        st.builds(lambda body: f"(?<={body})", CHARACTERS),
        st.builds(lambda body: f"(?<!{body}{body})", CHARACTERS),
        grouped,
    )


PATTERNS = st.recursive(st.one_of(CHARACTERS, PLACES), wider, max_leaves=10)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["", "(?i)", "(?s)", "(?m)", "(?x)", "(?im)"]), PATTERNS, st.text("abAB1 .é\nß", max_size=8))
def test_the_language_is_that_of_re(flags: str, pattern: str, text: str) -> None:
    assert is_found(read(flags + pattern), text) == (re.search(flags + pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^OpenSSH_[0-9.]+(p[0-9]+)?( ?([A-Za-z0-9]+[-+.]?)*)$", "OpenSSH_9.2p1 " + "a" * 240 + "!"),
        (r"^OpenSSH_9(\.[0-9]+)*$", "OpenSSH_9" + ".1" * 120 + "x"),
        (".*.*.*.*.*.*x", "a" * 255),
        ("(a?){100}(a?){100}b", "a" * 255),
        ("((((a*)*)*)*)*b", "a" * 255),
        ("(?=.*(?=.*(?=.*(?!.*[ab])))).*b", "a" * 255),
        ("(a{1,99}){1,99}b", "a" * 255),
        ("(x+x+)+y", "x" * 255),
        ("(a|a|a)*b", "a" * 255),
        ("(?:a{0,4000000000}){4000000000}b", "a" * 255),
    ],
)
def test_no_text_takes_long(pattern: str, text: str) -> None:
    searched = read(pattern)
    began = process_time()
    assert not is_found(searched, text)
    # Generous: with re these take hours, and more than the sun has left.
    assert process_time() - began < 10


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?P<n>a)(?P=n)", "(a)?(?(1)b|c)", "(?>a)", "a*+", "a?+"])
def test_what_needs_one_certain_way_is_refused(pattern: str) -> None:
    with pytest.raises(Refused, match="must have no backreferences"):
        read(pattern)


def test_what_is_nested_deep() -> None:
    assert is_found(read("(?:a|" * 40 + "b" + ")+" * 40 + "$"), "b")
    with pytest.raises(Refused, match="nested more than 100 levels deep"):
        read("(" * 101 + "a" + ")" * 101)
