"""Metrics in Prometheus' text format, read back by the rules of its own parser."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, strategies as st

from noidchecks.exposition import escape, family, head, label_pairs, number, sample

# What Prometheus' parser takes between two quotes; one other escape, and it refuses the page.
VALUE = re.compile(r'(?:[^"\\\n]|\\["\\n])*')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def test_a_family_has_one_head() -> None:
    lines = "".join(family("probe_x", "gauge", "What x\nis", [("", 1), ('a="b"', 0.5)]))
    assert lines == '# HELP probe_x What x\\nis.\n# TYPE probe_x gauge\nprobe_x 1\nprobe_x{a="b"} 0.5\n'
    assert list(family("probe_x", "gauge", "None", [])) == []


def test_a_head_escapes_its_help() -> None:
    assert head("x", "counter", "C:\\new") == "# HELP x C:\\\\new.\n# TYPE x counter\n"


def test_several_labels() -> None:
    assert sample("x", label_pairs({"a": "1", "b": 'say "two"'}), 3) == 'x{a="1",b="say \\"two\\""} 3\n'


@given(st.text(st.characters(codec=None), max_size=50))
def test_no_text_breaks_out_of_its_quotes(text: str) -> None:
    written = escape(text)
    assert VALUE.fullmatch(written)
    read = re.sub(r"\\.", lambda found: ESCAPES[found[0]], written)
    assert read == text.encode(errors="backslashreplace").decode()
    written.encode()


@pytest.mark.parametrize("value", ["\udc80", "a\ud800b"])
def test_half_a_character_is_written_with_an_escape_that_prometheus_reads(value: str) -> None:
    assert re.search(r"\\\\ud[c8][80]0", escape(value))


@given(st.floats() | st.integers(-(1 << 53), 1 << 53) | st.booleans())
def test_a_number_reads_back(value: float) -> None:
    found = float(number(value))
    assert found == value or (math.isnan(found) and math.isnan(value))
    assert number(True) == "1"
