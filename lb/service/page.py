"""Renders the guardian's status page, HTML for people, from a PageView: pure functions that yield small pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from noidchecks.page import alert, badge, closing, escape, opening

from ..events import Event, stamp
from ..farm_status import BackendStatus, FarmStatus
from .badges import Badge, backend_badges, farm_badge
from .history import BackendKey, History
from .metrics import MetricsSnapshot
from .paced import used_up
from .page_farm import ago, backend_row, farm_end, farm_start
from .page_query import PageQuery

if TYPE_CHECKING:
    from noidchecks.page import Tone

REFRESH = 15
"""Seconds after which a browser fetches the page again."""
# The most rows of backends on a page, beyond which healthy backends are only counted; the most farms on a page.
_ROWS, _FARMS = 300, 50
EVENTS = 20
"""How many of the last events are shown."""
# Seconds for which the page shows that this process was paused.
_PAUSE_SHOWN = 300.0
_TONES: tuple[Tone, ...] = ("bad", "warn", "idle", "ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """The data of the page, as of the Unix time now; events are the last ones, the oldest first.

    troubles are the problems of this guardian itself, a sentence each.
    """

    snapshot: MetricsSnapshot
    history: History
    now: float
    events: Sequence[Event] = ()
    troubles: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Backend:
    status: BackendStatus
    badges: list[Badge]
    is_trouble: bool


@dataclass(slots=True)
class _Farm:
    status: FarmStatus
    badge: Badge
    backends: list[_Backend] = field(default_factory=list)
    is_trouble: bool = False


class _Judgement:
    """The farms and backends with their badges, and the number of each badge."""

    def __init__(self) -> None:
        self.farms: list[_Farm] = []
        self.farm_words: Counter[str] = Counter()
        """Of farms that turn clients away."""
        self.backend_words: Counter[tuple[Tone, str]] = Counter()
        self.count = 0
        """The number of backends."""
        self.troubled = 0

    def take(self, view: PageView) -> Iterator[str]:
        """Judges all farms and backends; yields empty pieces between, so that the consumer can pause."""
        kept: dict[BackendKey, str] = {}
        for number, one in enumerate(view.snapshot.health):
            if one.kept:
                kept[one.farm, one.backend] = one.kept
            if not number % 50:
                yield ""
        for status in view.snapshot.statuses:
            farm = _Farm(status, farm_badge(status))
            self.farms.append(farm)
            if farm.badge.tone == "bad":
                self.farm_words[farm.badge.word] += 1
            farm.is_trouble = farm.badge.is_trouble
            weights = view.snapshot.weights.get(status.name, {})
            for number, each in enumerate(status.backends):
                place = status.name, each.name
                badges = backend_badges(each, kept.get(place, ""), weights.get(each.name))
                is_trouble = any(word.is_trouble for word in badges)
                farm.backends.append(_Backend(each, badges, is_trouble))
                farm.is_trouble |= is_trouble
                self.troubled += is_trouble
                self.count += 1
                # Besides the badge of its state, only badges of trouble are counted.
                for word in badges:
                    if word.is_trouble or word is badges[0]:
                        self.backend_words[word.tone, word.word] += 1
                if not number % 20:
                    yield ""

    def headline(self, view: PageView) -> tuple[Tone, str]:
        """Returns the most severe trouble as a colour and a text that fits a browser's tab."""
        if self.farm_words:
            return "bad", ", ".join(f"{count} {word}" for word, count in self.farm_words.items())
        if view.troubles or not view.snapshot.statuses:
            return "bad", "guardian in trouble"
        if self.troubled:
            is_bad = any(tone == "bad" for tone, _ in self.backend_words)
            return ("bad" if is_bad else "warn"), f"{self.troubled} of {self.count} backends in trouble"
        stopped = sum(farm.is_trouble for farm in self.farms)
        return ("warn", f"{_number(stopped, 'farm')} stopped") if stopped else ("ok", "all well")

    def totals(self) -> str:
        """Returns the numbers of farms, of backends, and of each badge, as HTML."""
        kinds = sorted(self.backend_words.items(), key=lambda item: (_TONES.index(item[0][0]), item[0][1]))
        counts = " ".join(badge(f"{count} {word}", tone) for (tone, word), count in kinds)
        return f"{_number(len(self.farms), 'farm')}, {_number(self.count, 'backend')} {counts}"


def render(view: PageView, query: PageQuery) -> Iterator[str]:
    """Yields the page in pieces, each of which takes much less than a millisecond; some are empty.

    The page of 10,000 backends is as large as that of 300: the other backends are only counted and linked to.
    """
    judged = _Judgement()
    yield from judged.take(view)
    tone, title = judged.headline(view)
    yield opening(f"{title} - noidlb", "Farms", tone)
    yield from (alert(text, "bad") for text in view.troubles)
    for event in view.events:
        if event.kind == "paused" and view.now - event.time < _PAUSE_SHOWN:
            yield alert(f"{ago(view.now - event.time)} ago {event.reason}", "warn")
    if not view.snapshot.statuses:
        yield alert("What the farms do is not known: the kernel's table could not be read.", "bad")
    yield f"<p>{judged.totals()}</p>\n{_form(query)}"
    chosen = []
    for farm in judged.farms:
        if _is_wanted(farm, query):
            chosen.append(farm)
        yield ""
    # Farms in trouble first; both groups in the order of the configuration.
    chosen.sort(key=lambda farm: not farm.is_trouble)
    yield from _sections(view, query, judged, chosen)
    chosen.clear()
    for farm in used_up(judged.farms):
        farm.backends.clear()
        yield ""
    yield from _recent(view)
    yield closing(_foot(view, query))


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _form(query: PageQuery) -> str:
    """Returns the search field and the links that filter the page."""
    kept = {name: value for name, value in query.fields.items() if name not in ("q", "page", "farm")}
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in kept.items())
    only = replace(query, only_trouble=not query.only_trouble, page=1)
    words = "Show all" if query.only_trouble else "Only what is in trouble"
    everything = _link(PageQuery(refresh=query.refresh), "Clear") if query.text or query.farm else ""
    return (
        f'<form method="get" action="/" role="search">{hidden}<label for="q">Name or address</label> '
        f'<input id="q" name="q" type="search" maxlength="64" value="{escape(query.text)}"> '
        f"<button>Find</button> {_link(only, words)} {everything}</form>\n"
    )


def _link(query: PageQuery, words: str) -> str:
    return f'<a href="{escape(query.link, 1000)}">{escape(words)}</a>'


def _is_wanted(farm: _Farm, query: PageQuery) -> bool:
    if query.farm:
        return farm.status.name == query.farm
    if query.only_trouble and not farm.is_trouble:
        return False
    return not query.text or _has(farm.status, query.text) or any(_holds(one, query.text) for one in farm.backends)


def _has(farm: FarmStatus, text: str) -> bool:
    wanted = text.lower()
    return wanted in farm.name.lower() or any(wanted in service for service in farm.services)


def _holds(one: _Backend, text: str) -> bool:
    wanted = text.lower()
    return wanted in one.status.name.lower() or any(wanted in address for address in one.status.address)


def _sections(view: PageView, query: PageQuery, judged: _Judgement, chosen: list[_Farm]) -> Iterator[str]:
    """Yields the farms of this page; room is the number of rows that are left for their backends."""
    pages = max(1, -(-len(chosen) // _FARMS))
    page = min(query.page, pages)
    is_small = judged.count <= _ROWS
    room = _ROWS
    if judged.farms and not chosen:
        yield "<p>Nothing is like that.</p>\n"
    for farm in chosen[(page - 1) * _FARMS : page * _FARMS]:
        found = farm.backends
        if query.text and not query.farm and not _has(farm.status, query.text):
            found = [one for one in found if _holds(one, query.text)]
        shown = found
        if query.only_trouble or not (is_small or query.farm or query.text):
            shown = [one for one in found if one.is_trouble]
        shown = shown if query.farm else shown[:room]
        room -= len(shown)
        up = sum(one.badges[0].tone == "ok" for one in farm.backends)
        yield farm_start(farm.status, farm.badge, up, view.history, has_rows=bool(shown))
        for one in shown:
            yield backend_row(farm.status, one.status, one.badges, view.history, view.now)
        rest = len(farm.backends) - len(shown)
        link = _link(PageQuery(farm=farm.status.name, refresh=query.refresh), f"{rest} more") if rest else ""
        yield farm_end(link, has_rows=bool(shown))
    if pages > 1:
        before = _link(replace(query, page=page - 1), "Previous") if page > 1 else ""
        after = _link(replace(query, page=page + 1), "Next") if page < pages else ""
        yield f'<nav aria-label="Pages"><p>{before} Page {page} of {pages} {after}</p></nav>\n'


def _recent(view: PageView) -> Iterator[str]:
    if not view.events:
        return
    yield '<section aria-labelledby="events"><h2 id="events">Last events</h2>\n<ul>\n'
    for event in reversed(view.events[-EVENTS:]):
        where = "/".join(filter(None, (event.farm, event.backend)))
        reason = f": {escape(event.reason)}" if event.reason else ""
        yield (
            f'<li><time class="note">{stamp(event.time)[:19]}Z</time> '
            f'<span class="name">{escape(where)}</span> {escape(event.kind)}{reason}</li>\n'
        )
    yield "</ul>\n</section>\n"


def _foot(view: PageView, query: PageQuery) -> str:
    info: Mapping[str, str] = view.snapshot.info
    role = info.get("role", "alone")
    words = [f"noidlb {escape(info.get('version', ''))}"]
    if role != "alone":
        words.append(f"{escape(role)} of its pair")
    words.append(f"as of {stamp(view.now)[:19]}Z")
    if query.refresh:
        words.append(f"fetched again every {REFRESH} seconds ({_link(replace(query, refresh=False), 'stop')})")
    else:
        words.append(_link(replace(query, refresh=True), f"Fetch again every {REFRESH} seconds"))
    words.append('<a href="/metrics">Metrics</a>')
    return " · ".join(words)
