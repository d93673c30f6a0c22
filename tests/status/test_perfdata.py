"""Tests of noidchecks.status.perfdata."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, strategies as st

from noidchecks import Metric, Range
from tests.support.perfdata import read_perfdata


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric("time", 0.000332, "s"), "time=0.000332s"),
        (Metric("time", 0.5, "s", minimum=0.0, maximum=10.0), "time=0.500000s;;;0.000000;10.000000"),
        (
            Metric("time", 1.5, "s", warning=Range(0, 1), critical=Range(0, 2.5), minimum=0.0, maximum=30.0),
            "time=1.500000s;1.000000;2.500000;0.000000;30.000000",
        ),
        (Metric("time", 1.5, "s", warning=Range.parse("1:2")), "time=1.500000s;1:2"),
        # What the plugins make of -w -1 and -c -0, printed as the C plugins print it.
        (
            Metric("time", 1.5, "s", warning=Range.parse("~:-1"), critical=Range.parse("~:-0")),
            "time=1.500000s;-1.000000;-0.000000",
        ),
        (Metric("time", 1.0, "s", warning=Range.parse("~:5")), "time=1.000000s;~:5"),
        (Metric("time", 1.5, "s", critical=Range.parse("@~:2")), "time=1.500000s;;@~:2"),
        (Metric("time", 1.5, "s", warning=Range.parse("~:5"), critical=Range.parse("3:")), "time=1.500000s;~:5;3:"),
        (Metric("bytes", 1024, "B"), "bytes=1024B"),
        (Metric("bytes", 10**20, "B"), "bytes=100000000000000000000B"),
        (Metric("blocks", 3, minimum=0), "blocks=3;;;0"),
        (Metric("far", 1e22), "far=10000000000000000000000.000000"),
        (Metric("tiny", 1e-9), "tiny=0.000000"),
        (Metric("below", -1.5), "below=-1.500000"),
        (Metric("none", None, "s"), "none=U"),
        (Metric("none", math.nan, "s"), "none=U"),
        (Metric("none", math.inf, "s", minimum=0), "none=U;;;0"),
        (Metric("with blank", 1), "'with blank'=1"),
        (Metric("it's", 1), "'it''s'=1"),
        (Metric("a;b", 1), "a;b=1"),
    ],
)
def test_a_metric_prints_as_the_c_plugins_print_it(metric: Metric, text: str) -> None:
    assert str(metric) == text


@pytest.mark.parametrize("label", ["", " ", "a=b", "a|b", "a\nb", "a\tb", "a\x1bb", "a\u202eb", "a\u00a0b"])
def test_a_label_that_no_reader_could_take_apart_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="metric label must be printable"):
        Metric(label, 1)


labels = st.text(
    st.one_of(st.sampled_from("' ;abc"), st.characters(exclude_categories=["C", "Z"], exclude_characters="=|")),
    min_size=1,
    max_size=20,
).filter(lambda text: bool(text.strip()) and text.isprintable())
floats = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)
values = st.one_of(st.none(), floats, st.integers(-(10**18), 10**18))
limits = st.one_of(
    st.none(),
    st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.booleans()).map(
        lambda drawn: Range(drawn[0], drawn[0] + drawn[1], inside=drawn[2])
    ),
)
metrics = st.builds(
    Metric,
    labels,
    values,
    st.sampled_from(("", "s", "B", "%", "c")),
    warning=limits,
    critical=limits,
    minimum=st.one_of(st.none(), floats),
    maximum=st.one_of(st.none(), floats),
)


@given(st.lists(metrics, max_size=4))
def test_a_reader_of_the_guideline_reads_back_every_metric(printed: list[Metric]) -> None:
    found = read_perfdata(" ".join(map(str, printed)))
    assert [label for label, *_ in found] == [metric.label for metric in printed]
    for metric, (_, value, unit, texts) in zip(printed, found, strict=True):
        if metric.value is None:
            assert (value, unit) == (None, "")
        else:
            assert value == pytest.approx(metric.value, abs=1e-6)
            assert unit == metric.unit
        for limit, text in ((metric.warning, texts[0]), (metric.critical, texts[1])):
            if limit is None:
                assert text == ""
            else:
                read = Range.parse(text)
                assert (read.start, read.inside) == (limit.start, limit.inside)
                assert read.end == pytest.approx(limit.end, abs=1e-6)
        for number, text in ((metric.minimum, texts[2]), (metric.maximum, texts[3])):
            assert (text == "") if number is None else (float(text) == pytest.approx(number, abs=1e-6))


@given(metrics)
def test_a_metric_has_no_exponent_and_no_comma_of_its_own(metric: Metric) -> None:
    assume("," not in metric.label and "e" not in metric.label.lower())
    numbers = str(metric).replace("U", "").rpartition("=")[2]
    assert "e" not in numbers
    assert "," not in numbers
