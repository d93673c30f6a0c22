from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from noidlb.service.page_query import PageQuery


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        ("", PageQuery()),
        ("q=+b1+", PageQuery(text="b1")),
        ("q=%E2%82%AC", PageQuery(text="€")),
        ("q=" + "x" * 1000, PageQuery(text="x" * 64)),
        ("farm=a.b&show=trouble&page=3&refresh=off", PageQuery("", "a.b", True, 3, False)),
        ("page=0", PageQuery()),
        ("page=-1", PageQuery()),
        ("page=٣", PageQuery()),
        ("page=" + "9" * 5000, PageQuery()),
        ("show=x&refresh=x&other=1&&=&q", PageQuery()),
        ("&".join(["q=b1"] * 1000), PageQuery()),
    ],
)
def test_what_a_browser_sends(raw: str, query: PageQuery) -> None:
    assert PageQuery.parse(raw) == query


@given(st.text(max_size=200))
def test_a_link_leads_to_the_same_choice(raw: str) -> None:
    found = PageQuery.parse(raw)
    assert PageQuery.parse(found.link.partition("?")[2]) == found
    assert PageQuery.parse(PageQuery(text=raw.strip()[:64].strip()).link[2:]).page == 1
