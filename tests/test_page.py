from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from noidchecks.page import alert, badge, closing, escape, headers, opening, sparkline

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='x",
    "</style><svg onload=x>",
    "&lt;b&gt; &#60;b&#62; \u202egnirts\u202c \x1b[31m\x00\r\n\t",
    "\ud800 half a pair \udcff",
]


class Reader(HTMLParser):
    """Keeps what a browser would take for elements, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    # As it goes over the wire.
    reader.feed(html.encode().decode())
    reader.close()
    return reader


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_text_wherever_it_stands(text: str) -> None:
    for html, tags in (
        (badge(text, "bad"), ["span"]),
        (alert(text, "bad"), ["p"]),
        (sparkline(text, [1.0]), ["svg", "path", "path"]),
        (f'<a title="{escape(text)}">{escape(text)}</a>', ["a"]),
    ):
        found = read(html)
        assert found.tags == tags
        assert not [name for name, _ in found.attributes if name.startswith("on")]
        assert all(char.isprintable() or char == "\n" for char in found.text)
    plain = read(opening("a", "a") + closing("a"))
    assert read(opening(text, text) + closing(escape(text))).tags == plain.tags


def test_a_long_text_is_cut_before_it_is_escaped() -> None:
    assert escape("<" * 1000, 10) == "&lt;" * 7 + "..."


def test_the_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    page = opening("a", "a")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = headers()["Content-Security-Policy"]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    # Nothing names another place, and no element carries a style that the policy would refuse.
    assert not re.search(r"url\(|@import|//(?!www\.w3\.org/2000/svg)", page)
    assert "style=" not in page + badge("a", "ok") + sparkline("a", [1.0], [0])


def test_a_page_is_fetched_again_only_when_that_is_wanted() -> None:
    assert headers(15)["Refresh"] == "15"
    assert "Refresh" not in headers()


def test_the_shape_of_a_sparkline() -> None:
    drawn = sparkline("x", [1.0, None, 2.0, 1.0], [1, 2])
    # One bar over two steps, and a line that is broken where nothing is known: a dash, then a slope.
    assert '<rect class="fall" x="2" y="0" width="4" height="20"/>' in drawn
    assert 'd="M0 10h1M4 1h1L7 10"' in drawn
    assert "trace" not in sparkline("x", [None, None])
    assert "trace" not in sparkline("x", [])
    # Zeros lie on the ground.
    assert 'd="M0 19h1L3 19"' in sparkline("x", [0.0, 0.0])
