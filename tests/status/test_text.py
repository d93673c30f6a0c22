"""Tests of noidchecks.status.text."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, strategies as st

from noidchecks import printable

# What makes Icinga Web 2 take the output of a plugin for HTML.
_HTML = re.compile(rb"<\w+(?:\s\w+=[^>]*)?>")
_FORBIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"220 ready", "220 ready"),
        ("220 ready", "220 ready"),
        ("grüße 日本".encode(), "grüße 日本"),
        (b"one\r\ntwo\nthree\rfour", "one two three four"),
        (b"a\tb\vc\fd", "a b c d"),
        (b"220 evil | load=99;1;2 text", "220 evil   load=99;1;2 text"),
        (b"caf\xe9", "caf\\xe9"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"nul\x00", "nul\\x00"),
        (b"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("right\u202eleft", "right\\u202eleft"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028end", "line\\u2028end"),
        ("next\x85line", "next\\x85line"),
        ("half\udcff", "half\\udcff"),
        ("\U000e0041tag", "\\U000e0041tag"),
        (b"<b>bold</b>", "< b>bold< /b>"),
        (b"<!-- x", "< !-- x"),
        (b"<1>", "< 1>"),
        (b"<_a>", "< _a>"),
        (b"<<a>", "<< a>"),
        (b"1 < 2 <> <= <", "1 < 2 <> <= <"),
        (b"", ""),
    ],
)
def test_text_of_a_peer_is_made_safe(raw: bytes | str, text: str) -> None:
    assert printable(raw) == text


def test_no_more_is_decoded_than_can_be_printed() -> None:
    """256 KiB of a server in latin-1 would take a tenth of a second."""

    class Counting(bytes):
        def __getitem__(self, place: Any) -> Any:
            sizes.append(place.stop)
            return super().__getitem__(place)

        def decode(self, *_: Any) -> str:
            raise AssertionError("all of it")

    sizes: list[int] = []
    assert printable(Counting(b"\xe9" * (1 << 18)), 20) == "\\xe9\\xe9\\xe9\\xe9\\..."
    assert sizes == [84]
    assert printable("\N{GRINNING FACE}".encode() * 30, 20) == "\N{GRINNING FACE}" * 17 + "..."


def test_text_is_bounded() -> None:
    assert printable("x" * 11, 10) == "xxxxxxx..."
    assert printable("x" * 10, 10) == "x" * 10
    assert len(printable(b"\xff" * 5000)) == 4000
    assert len(printable(b"<a" * 5000)) == 4000


anything = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100),
    st.text(alphabet="|<>/!ab1_ \r\n\t\x1b\x00\u202e\u2066\ud800\xa0é", max_size=100),
)


@given(anything, st.integers(3, 300))
def test_any_text_becomes_one_harmless_line(raw: bytes | str, limit: int) -> None:
    text = printable(raw, limit)
    assert len(text) <= limit
    assert "|" not in text
    assert len(text.splitlines()) <= 1
    assert not [char for char in text if unicodedata.category(char) in _FORBIDDEN]
    assert not _HTML.search(text.encode())


@given(anything)
def test_safe_text_stays_as_it_is(raw: bytes | str) -> None:
    text = printable(raw)
    assert printable(text) == text
