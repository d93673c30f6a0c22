"""Tests of noidchecks.status.threshold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st
from nagiosplugin import Range as Oracle

from noidchecks import Range

INFINITY = math.inf


@pytest.mark.parametrize(
    ("text", "alerting", "quiet"),
    [
        # the examples of the guidelines
        ("10", [-0.1, 10.1, -INFINITY, INFINITY], [0, 10, 5]),
        ("10:", [9.9, -1, -INFINITY], [10, 1e9, INFINITY]),
        ("~:10", [10.1, INFINITY], [10, 0, -1e9, -INFINITY]),
        ("10:20", [9.9, 20.1], [10, 15, 20]),
        ("@10:20", [10, 15, 20], [9.9, 20.1]),
        ("~:0", [0.1], [0, -1]),
        ("5:6", [4.9, 6.1], [5, 5.5, 6]),
        ("1:", [0], [1]),
        # what the two C parsers disagree about
        ("@10", [0, 5, 10], [-1, 10.1]),
        ("0:5", [5.1, -1], [0, 5]),
        (":10", [-1, 11], [0, 10]),
        (":", [-1], [0, INFINITY]),
        ("~:", [], [-INFINITY, 0, INFINITY]),
        ("@", [0, INFINITY], [-1]),
        ("@~:", [-INFINITY, 0, INFINITY], []),
        ("@~:5", [5, -9], [5.1]),
        ("-10:-5", [-11, -4], [-10, -5]),
        ("~:-5", [-4], [-5, -6]),
        ("1e1", [10.1], [10]),
        ("+10", [10.1], [10]),
        (".5", [0.6], [0.5]),
        ("5.", [5.1], [5]),
        ("0", [0.001, -1], [0]),
        ("5:5", [4, 6], [5]),
    ],
)
def test_parse_reads_the_ranges_of_the_guidelines(text: str, alerting: list[float], quiet: list[float]) -> None:
    limit = Range.parse(text)
    assert [value for value in (*alerting, *quiet) if limit.alerts(value)] == alerting


@pytest.mark.parametrize(
    "text",
    [
        *("", "20:10", "5:-5", "-5", "@20:10", "~", "~10", "abc", "~5:10", "10:abc", "10:~", ":~", "~:~", "@@5"),
        *("1:12%", "10,20", "1:2:3", "10 ", " 10", "1 :2", "0x10", "inf", "nan", "~:inf", "nan:nan", "-inf:5"),
        *("1_000", "٣", "1:٣", "1e", "e5", "--5", "+-5", ".", "1;2", "5s", "5@", "\n", "1\n", "1\x00"),
        # too large for a float: it would be an infinite end, which no reader of the output could take
        *("1e999:", "~:-1e999", "1e999", "-1e999:", "@1e999:1e999"),
    ],
)
def test_parse_refuses_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="range must have the form"):
        Range.parse(text)


@pytest.mark.parametrize(
    ("start", "end"), [(2, 1), (math.nan, 1), (0, math.nan), (INFINITY, INFINITY), (-INFINITY, -INFINITY)]
)
def test_a_range_needs_a_start_before_its_end(start: float, end: float) -> None:
    with pytest.raises(ValueError, match="range must"):
        Range(start, end)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10", "10"),
        ("0:10", "10"),
        (":10", "10"),
        ("10.50", "10.5"),
        ("1e3", "1000"),
        ("1e20", "100000000000000000000"),
        ("1e-7:", "0.0000001:"),
        ("10:", "10:"),
        (":", "0:"),
        ("@", "@0:"),
        ("~:", "~:"),
        ("~:10", "~:10"),
        ("@10", "@10"),
        ("@-3:.5", "@-3:0.5"),
        ("0", "0"),
    ],
)
def test_a_range_prints_in_canonical_form_without_exponents(text: str, canonical: str) -> None:
    assert str(Range.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "expected"), [("5", True), ("0:5", True), ("0", True), ("1:5", False), ("~:5", False), ("@5", False)]
)
def test_is_upper_limit_is_true_of_plain_numbers(text: str, expected: bool) -> None:
    assert Range.parse(text).is_upper_limit is expected


def test_an_open_range_is_no_upper_limit() -> None:
    assert not Range().is_upper_limit


numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    low, high = sorted((draw(numbers), draw(numbers)))
    start = draw(st.sampled_from((low, 0.0 if high >= 0 else low, -INFINITY)))
    return Range(start, draw(st.sampled_from((high, INFINITY))), inside=draw(st.booleans()))


@given(ranges())
def test_a_range_reads_back_what_it_prints(limit: Range) -> None:
    assert Range.parse(str(limit)) == limit
    assert set(str(limit)) <= set("@~:-.0123456789")


@given(ranges(), numbers)
def test_a_range_means_what_the_guideline_writes(limit: Range, value: float) -> None:
    assert limit.alerts(value) == ((value < limit.start or value > limit.end) ^ limit.inside)


plain = st.decimals(-1000, 1000, places=2).map(str)
texts = st.builds(
    lambda inside, start, end: f"{inside}{start}{end}",
    st.sampled_from(("", "@")),
    st.one_of(st.just(""), st.just("~:"), plain.map("{}:".format)),
    st.one_of(st.just(""), plain),
)


@given(texts, st.decimals(-1000, 1000, places=2).map(float))
def test_a_range_agrees_with_nagiosplugin(text: str, value: float) -> None:
    """The oracle is not asked about "" and "@", which it reads as no range at all."""
    if text in ("", "@"):
        return
    try:
        oracle = Oracle(text)
    except ValueError:
        with pytest.raises(ValueError, match="range must have the form"):
            Range.parse(text)
        return
    assert Range.parse(text).alerts(value) == (value not in oracle)


@given(st.text(alphabet="@~:-+.0123456789eE_ ٣infa", max_size=12))
def test_any_text_is_a_range_that_reads_back_or_refused(text: str) -> None:
    try:
        limit = Range.parse(text)
    except ValueError:
        return
    assert Range.parse(str(limit)) == limit
