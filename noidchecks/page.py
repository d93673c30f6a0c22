"""The HTML pages that running services show to people: style sheet, frame and the elements that every page has.

A page loads nothing and runs no script. Its Content-Security-Policy enforces that: the only style sheet is allowed by
its hash, so that markup which a peer managed to inject could neither run, load nor restyle anything. No template engine
is used: there is one frame, and escape() is applied to every variable part of it.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape as _escape

from .status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    # The meaning of a colour; a word beside it always has the same meaning.
    Tone = Literal["ok", "warn", "bad", "idle"]

_STYLE = """
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--text:#1b2230;--muted:#556070;--line:#dde1e8;--link:#0b57a4;
--ok:#0b5c30;--ok-bg:#dcf3e4;--warn:#664400;--warn-bg:#fdeecb;--bad:#8d1520;--bad-bg:#fde3e3;--idle:#434c5a;
--idle-bg:#e6e9ee;--trace:#3f78b5;--fall:#d23c47}
@media (prefers-color-scheme:dark){:root{--bg:#11141a;--card:#1a1f28;--text:#e5e9f0;--muted:#a5afbf;--line:#333b48;
--link:#8cc0f5;--ok:#83e3ab;--ok-bg:#12351f;--warn:#f5d080;--warn-bg:#3c2e0c;--bad:#ffabab;--bad-bg:#46191d;
--idle:#c3cad6;--idle-bg:#2a313d;--trace:#6aa5e0;--fall:#e8616a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
header,main,footer{max-width:72rem;margin:0 auto;padding:0 1rem}
h1{font-size:1.4rem;margin:1rem 0 .2rem}
h2{font-size:1.1rem;margin:0;display:inline}
p{margin:.3rem 0}
a{color:var(--link)}
a:focus-visible,input:focus-visible,button:focus-visible{outline:2px solid var(--link);outline-offset:2px}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;margin:.8rem 0;padding:.7rem .9rem}
.title{display:flex;flex-wrap:wrap;gap:.3rem .7rem;align-items:center}
.note,footer,th,.label{color:var(--muted);font-size:.87rem}
footer{margin-top:1rem;margin-bottom:2rem}
.badge{display:inline-block;border-radius:4px;padding:0 .45rem;font-size:.87rem;font-weight:600;white-space:nowrap}
.ok{color:var(--ok);background:var(--ok-bg)}.warn{color:var(--warn);background:var(--warn-bg)}
.bad{color:var(--bad);background:var(--bad-bg)}.idle{color:var(--idle);background:var(--idle-bg)}
.alert{border-radius:6px;padding:.4rem .7rem;margin:.5rem 0}
table{width:100%;border-collapse:collapse;margin-top:.5rem}
th{text-align:left;font-weight:500;padding:.15rem .6rem .15rem 0;white-space:nowrap}
td{border-top:1px solid var(--line);padding:.3rem .6rem .3rem 0;vertical-align:top}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.name{font-weight:600}
.label{display:none}
form{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin:.5rem 0}
input,button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--muted);border-radius:5px;
padding:.25rem .5rem;min-width:0}
ul{margin:.4rem 0;padding-left:1.1rem}
svg{display:block;max-width:100%}
.trace{fill:none;stroke:var(--trace);stroke-width:1.3;vector-effect:non-scaling-stroke}
.fall{fill:var(--fall)}.ground{stroke:var(--line);vector-effect:non-scaling-stroke}
pre{overflow-x:auto;white-space:pre-wrap}
@media (max-width:45rem){thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
table,tbody{display:block}tr{display:grid;grid-template-columns:1fr 1fr;gap:.1rem .8rem;padding:.4rem 0;
border-top:1px solid var(--line)}
td{display:block;border:0;padding:0}.wide{grid-column:1/-1}.number{text-align:left}.label{display:inline}}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# The most characters of a peer's text that are shown.
LIMIT = 300
_ICON = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='4'"
_ICON_COLORS = {"ok": "1e9e57", "warn": "d99a00", "bad": "d23c47", "idle": "7a8494"}
# The width of a point and the height of a sparkline, in units of its viewBox.
_STEP, _HEIGHT = 2, 20


def headers(refresh: int = 0) -> dict[str, str]:
    """Returns the header fields of a page that a browser fetches again every refresh seconds, never for 0.

    The field Refresh is used and no meta element, so that markup in the page cannot change it.
    """
    fields = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return {**fields, "Refresh": str(refresh)} if refresh else fields


def escape(text: str, limit: int = LIMIT) -> str:
    """Returns an untrusted text for an element or a quoted attribute, cut to limit characters before it is escaped.

    Line ends become blanks; control characters, bidirectional ones included, become escapes.
    """
    return _escape(printable(text, limit))


def opening(title: str, heading: str, tone: Tone = "ok") -> str:
    """Returns the beginning of a page; title and heading are plain text, tone is the colour of the tab's icon."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        f'<link rel="icon" href="{_ICON} fill=\'%23{_ICON_COLORS[tone]}\'/%3E%3C/svg%3E">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{escape(heading)}</h1>\n</header>\n<main>\n"
    )


def closing(note: str) -> str:
    """Returns the end of a page; note is markup."""
    return f"</main>\n<footer><p>{note}</p></footer>\n</body>\n</html>\n"


def badge(word: str, tone: Tone) -> str:
    """Returns a word on the background of its tone."""
    return f'<span class="badge {tone}">{escape(word)}</span>'


def alert(text: str, tone: Tone) -> str:
    """Returns a highlighted sentence."""
    return f'<p class="alert {tone}">{escape(text)}</p>\n'


def sparkline(label: str, points: Sequence[float | None], falls: Sequence[int] = ()) -> str:
    """Returns a small SVG chart of values over time, the oldest first; label describes it in words.

    None is a gap. Each index of falls is marked by a bar of full height.
    """
    top = max((point for point in points if point is not None), default=0) or 1
    width = _STEP * max(1, len(points))
    shapes = [f'<path class="ground" d="M0 {_HEIGHT}H{width}"/>']
    shapes += [
        f'<rect class="fall" x="{_STEP * start}" y="0" width="{_STEP * (end - start)}" height="{_HEIGHT}"/>'
        for start, end in _runs(falls)
    ]
    if path := _path(points, top):
        shapes.append(f'<path class="trace" d="{path}"/>')
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{width}" height="{_HEIGHT}" '
        f'viewBox="0 0 {width} {_HEIGHT}" preserveAspectRatio="none">{"".join(shapes)}</svg>'
    )


def _path(points: Sequence[float | None], top: float) -> str:
    """Returns the SVG path through the points, interrupted where one is None, each in the middle of its step."""
    words = []
    pen_is_up = True
    for index, point in enumerate(points):
        if point is None:
            pen_is_up = True
            continue
        y = round((_HEIGHT - 2) * (1 - point / top) + 1, 1)
        # A single point is drawn as a dash, because a line without length is invisible.
        words.append(f"M{_STEP * index} {y:g}h1" if pen_is_up else f"L{_STEP * index + 1} {y:g}")
        pen_is_up = False
    return "".join(words)


def _runs(indexes: Sequence[int]) -> list[tuple[int, int]]:
    """Returns ascending numbers as half-open ranges."""
    runs: list[tuple[int, int]] = []
    for index in indexes:
        if runs and runs[-1][1] == index:
            runs[-1] = runs[-1][0], index + 1
        else:
            runs.append((index, index + 1))
    return runs
