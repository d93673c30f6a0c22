from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from noidlb.events import Event
from noidlb.farm_status import BackendView
from noidlb.service.history import History
from noidlb.service.page import PageView, render
from noidlb.service.page_query import PageQuery

from tests.support.lb.seen import NOW, backend, farm, health, seen

HOSTILE = "<script>alert(1)</script>\"' onload=x> \u202e\x1b[31m & </td>"


def page(view: PageView, query: str = "") -> str:
    return "".join(render(view, PageQuery.parse(query)))


def rows(html: str) -> list[str]:
    """Returns the rows of backends as they are read."""
    found = re.findall(r'<tr role="row"><td.*?</tr>', html)
    texts = (re.sub(r"<[^>]*>", "", re.sub(r"</td>|<br>|<span[^>]*>", " ", row)) for row in found)
    return [" ".join(unescape(text).split()) for text in texts]


def names(html: str) -> list[str]:
    return [row.split()[0] for row in rows(html)]


class Balance(HTMLParser):
    """Fails unless every element that is opened is closed, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements(html: str) -> list[str]:
    reader = Balance()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader.seen


def test_a_farm_and_its_backends() -> None:
    one = backend("b1", port=2121, share=1 / 3, current=1234)
    dead = backend(
        "b2", "down", guardian=BackendView(state="down", reason="Connection refused", since=NOW - 125, flaps=3)
    )
    html = page(seen(farm("ftp", one, dead), watched=[health()]))
    first, second = rows(html)
    words = "up 33 % of new clients 1,234 connections nothing seen yet up 2 min ago"
    assert first == f"b1 10.0.1.11, fd00:1::11 port 2121 {words}"
    assert "down 2 min ago, 3 changes" in second
    assert "Connection refused" in second
    assert "1 of 2 up" in html
    assert "<title>1 of 2 backends in trouble - noidlb</title>" in html
    elements(html)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "drain", "word": "drain"}, ["drained by the operator"]),
        ({"state": "down", "word": "down"}, ["down by the operator", "fails its check"]),
        ({"state": "down", "word": "down", "guardian": BackendView(state="up")}, ["down by the operator"]),
        ({"state": "up", "word": "up"}, ["up by the operator"]),
        ({"state": "up", "guardian": BackendView(state="down")}, ["serves though it fails"]),
        ({"state": "up", "guardian": BackendView(state="unknown")}, ["serves, not yet checked", "no result yet"]),
        ({"state": "down", "guardian": BackendView(state="unknown")}, ["not yet checked"]),
        ({"state": "standby"}, ["standby"]),
        ({"state": "stopped"}, ["stopped with its farm"]),
        ({"state": "absent"}, ["not in the kernel's table"]),
        (
            {"state": "up", "lost": ("ipv6",), "guardian": BackendView(state="down", reason="refused", since=NOW)},
            ["10.0.1.11, fd00:1::11 up no clients over IPv6 50 % of new clients", "refused"],
        ),
        ({"state": "up", "guardian": None}, ["up", "not watched"]),
        ({"state": "up", "current": None}, ["? connections"]),
        ({"state": "up", "share": 0.001}, ["<1 % of new clients"]),
    ],
)
def test_what_is_said_of_a_backend(changes: dict[str, object], words: list[str]) -> None:
    html = page(seen(farm("f", backend(**changes))))  # type: ignore[arg-type]  # of several types
    (row,) = rows(html)
    for word in words:
        assert word in row


def test_one_that_has_lost_an_ip_version_is_up() -> None:
    clock = [6000.0]
    history = History(lambda: clock[0])
    for _ in range(3):
        clock[0] += 60
        for _ in history.sample([health(seconds=0.02), health(state="down", address="[fd00:1::11]:21")]):
            pass
    one = backend(lost=("ipv6",), guardian=BackendView(state="down", reason="refused", since=NOW))
    html = page(seen(farm("f", one), history=history))
    assert "1 of 1 up" in html
    assert "Last hour: at least 100 % of the backends up" in html
    assert "Last hour: answered in 20 ms to 20 ms" in html


def test_one_that_cannot_be_checked() -> None:
    watched = [health("b1", kept="its program is missing"), health("b2")]
    kept = backend(
        "b1", guardian=BackendView(state="up", reason="cannot be checked: its program is missing", since=NOW)
    )
    html = page(seen(farm("f", kept, backend("b2")), watched=watched))
    assert "its program is missing" in rows(html)[0]
    assert "1 cannot be checked" in html
    assert "1 of 2 backends in trouble" in html


def test_weights_that_slow_start_or_least_connections_changes() -> None:
    backends = (backend("b1"), backend("b2", guardian=None), backend("b3"), backend("b4", "drain"))
    html = page(seen(farm("f", *backends), weights={"f": {"b1": 40, "b2": 300, "b4": 20}}))
    first, unchecked, whole, drained = rows(html)
    assert "up 40 % of its weight 50 % of new clients" in first
    assert "up 300 % of its weight 50 % of new clients" in unchecked
    assert "of its weight" not in whole + drained


@pytest.mark.parametrize(
    ("state", "families", "words", "title"),
    [
        ("serving", {"ipv4": "serving"}, "serving", "all well"),
        ("refusing", {"ipv4": "refusing"}, "refusing its clients", "1 refusing its clients"),
        ("stopped", {"ipv4": "stopped"}, "stopped by the operator", "1 farm stopped"),
        ("absent", {"ipv4": "absent"}, "not in the kernel's table", "1 not in the kernel's table"),
        ("partial", {"ipv6": "refusing", "ipv4": "serving"}, "IPv4 serving, IPv6 refusing", "1 IPv4 serving"),
    ],
)
def test_what_is_said_of_a_farm(state: str, families: dict[str, str], words: str, title: str) -> None:
    html = page(seen(farm("f", backend("b1", guardian=None), state=state, families=families)))
    html = html.replace("&#x27;", "'")
    assert f">{words}</span>" in html
    assert f"<title>{title}" in html


def test_nothing_that_anybody_says_is_markup() -> None:
    plain = seen(
        farm("f", backend("b1", guardian=BackendView(state="down", reason="x", since=NOW))),
        events=[Event(time=NOW, kind="down", farm="f", backend="b1", reason="x")],
        troubles=["x"],
    )
    history = History()
    history.take(Event(time=NOW, kind="down", farm=HOSTILE, backend=HOSTILE, reason=HOSTILE))
    sight = BackendView(state="down", reason=HOSTILE, since=NOW)
    hostile = seen(
        farm(
            HOSTILE,
            backend(HOSTILE, address=(HOSTILE,), guardian=sight),
            services=(HOSTILE,),
            protocol=HOSTILE,
            mode=HOSTILE,
        ),
        events=[Event(time=NOW, kind=HOSTILE, farm=HOSTILE, backend=HOSTILE, reason=HOSTILE)],
        troubles=[HOSTILE],
        history=history,
    )
    expected = elements(page(plain))
    found = [tag for tag in elements(page(hostile)) if tag not in ("svg", "path", "rect")]
    # The picture of a backend that has been down is no words of anybody.
    assert [tag for tag in found if tag != "span"] == [tag for tag in expected if tag != "span"]
    for query in ("q=%3Cscript%3E%22'", "farm=%3Cscript%3E%22'", "show=trouble&q=%00%ff<b>", "page=<b>"):
        assert "script" not in elements(page(plain, query))


def test_no_farms_and_a_kernel_that_says_nothing() -> None:
    html = page(seen(troubles=["The kernel has not taken the last change: nft: not permitted"]))
    assert "could not be read" in html
    assert "nft: not permitted" in html
    assert "<title>guardian in trouble" in html
    assert not rows(html)
    elements(html)


def test_the_last_change_and_its_reason_stay_when_it_is_over() -> None:
    history = History()
    history.take(Event(time=NOW - 7300, kind="up", farm="f", backend="b1", reason="220 there again"))
    html = page(seen(farm("f", backend("b1")), history=history))
    assert "up 2 h ago" in rows(html)[0]
    assert "220 there again" in rows(html)[0]


def test_events_and_a_pause_are_told() -> None:
    events = [
        Event(time=NOW - 400, kind="paused", reason="long ago"),
        Event(time=NOW - 4, kind="paused", reason="it slept"),
    ]
    html = page(seen(farm("f", backend()), events=events))
    assert "4 s ago it slept" in html
    assert "400 s ago" not in html
    assert html.index("it slept</li>") < html.index("long ago</li>")


def test_the_last_hour_is_drawn() -> None:
    clock = [6000.0]
    history = History(lambda: clock[0])
    for state in ("up", "down", "up"):
        clock[0] += 60
        for _ in history.sample([health(state=state, seconds=0.02)]):
            pass
    html = page(seen(farm("f", backend("b1")), history=history))
    assert "Last hour: down in 1 of 60 minutes, answered in 20 ms to 20 ms" in html
    assert "Last hour: at least 0 % of the backends up" in html
    assert html.count('class="fall" x="116"') == 2


def many(count: int, per_farm: int, *, dead: int = 0) -> PageView:
    farms = [
        farm(
            f"farm-{number}",
            *(backend(f"b{one}", "down" if number * per_farm + one < dead else "up") for one in range(per_farm)),
        )
        for number in range(count // per_farm)
    ]
    return seen(*reversed(farms), watched=[health()] * count)


@pytest.mark.parametrize(("per_farm", "dead"), [(2, 0), (250, 0), (2, 40), (250, 40), (2, 10_000), (250, 10_000)])
def test_ten_thousand_backends_fit_a_page(per_farm: int, dead: int) -> None:
    pieces = list(render(many(10_000, per_farm, dead=dead), PageQuery()))
    html = "".join(pieces)
    assert len(html) < 500_000
    assert f"{10_000 // per_farm:,} farms, 10,000 backends" in html
    # Those in trouble are shown, from wherever in the file they are.
    assert len(rows(html)) == min(dead, 300 if per_farm > 6 else 100)
    assert html.count("<section") <= 50
    # It is made in many steps, between which probes start.
    assert len(pieces) > 500
    assert max(map(len, pieces)) < 20_000
    elements(html)


def test_what_is_not_shown_is_found() -> None:
    view = many(10_000, 250, dead=3)
    html = page(view)
    assert names(html) == ["b0", "b1", "b2"]
    assert 'href="/?farm=farm-0">247 more</a>' in html
    assert len(names(page(view, "farm=farm-7"))) == 250
    assert page(view, "q=FARM-39").count("<section") == 1
    assert set(names(page(view, "q=b249"))) == {"b249"}
    assert page(view, "show=trouble").count("<section") == 1
    assert page(view, "q=10.0.1.11").count("<section") == 40
    assert "Nothing is like that" in page(view, "q=nowhere")


def test_pages_of_farms() -> None:
    view = many(10_000, 2)
    assert "Page 1 of 100" in page(view)
    assert 'href="/?page=2">Next' in page(view)
    last = page(view, "page=99999")
    assert "Page 100 of 100" in last
    assert "Next" not in last
    assert 'href="/?q=b1&amp;page=2"' in page(view, "q=b1")


def test_a_reader_can_stop_the_page() -> None:
    view = seen(farm("f", backend()))
    assert 'href="/?q=b1&amp;refresh=off">stop' in page(view, "q=b1")
    stopped = page(view, "q=b1&refresh=off")
    assert 'href="/?q=b1">Fetch again' in stopped
    assert '<input type="hidden" name="refresh" value="off">' in stopped
