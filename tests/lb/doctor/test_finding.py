"""A finding of doctor and of a pair is one line."""

from __future__ import annotations

from noidlb.doctor.finding import some


def test_only_some_of_many_are_named() -> None:
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert some(["a"]) == "a"
