"""One farm on the status page: its head, a row for each backend, and a sparkline of the last hour for both."""

from __future__ import annotations

from noidchecks.page import badge, escape, sparkline

from ..events import stamp
from ..farm_status import BackendStatus, FarmStatus
from .badges import Badge
from .history import DOWN, UNKNOWN, History, seconds_of, up_and_known

_NUMBER = ' class="number"'
_HEADS = (
    *(("Backend", ""), ("State", ""), ("Share", _NUMBER)),
    *(("Connections", _NUMBER), ("Last hour", ""), ("Last change", "")),
)
# The most services of a farm that are listed.
_SERVICES = 4


def farm_start(status: FarmStatus, verdict: Badge, up: int, history: History, *, has_rows: bool) -> str:
    """Returns the head of a farm, up to the first row of its table if has_rows is set; up of its backends are up."""
    name = escape(status.name)
    connections = "connections cannot be counted" if status.current is None else f"{status.current:,} connections"
    more = len(status.services) - _SERVICES
    services = ", ".join(map(escape, status.services[:_SERVICES])) + (f" and {more} more" if more > 0 else "")
    heads = "".join(f'<th role="columnheader" scope="col"{kind}>{head}</th>' for head, kind in _HEADS)
    table = f'<table role="table" aria-label="Backends of {name}"><thead><tr role="row">{heads}</tr></thead>'
    return (
        f'<section aria-label="Farm {name}"><div class="title"><h2>{name}</h2>'
        f"{badge(verdict.word, verdict.tone)}<span>{up} of {len(status.backends)} up</span>"
        f"<span>{connections}</span>{_farm_hour(status, history)}</div>"
        f'<p class="note">{escape(status.protocol)}, {escape(status.mode)}: {services}</p>\n'
        + (f'{table}<tbody role="rowgroup">\n' if has_rows else "")
    )


def farm_end(link: str, *, has_rows: bool) -> str:
    """Returns the end of a farm; link is markup that leads to the backends that are not shown."""
    return ("</tbody></table>" if has_rows else "") + (f"<p>{link}</p>" if link else "") + "</section>\n"


def backend_row(farm: FarmStatus, one: BackendStatus, badges: list[Badge], history: History, now: float) -> str:
    """Returns the row of a backend."""
    current = "?" if one.current is None else f"{one.current:,}"
    return (
        f'<tr role="row"><td role="cell" class="wide"><span class="name">{escape(one.name)}</span> '
        f'<span class="note">{escape(one.place)}</span></td>'
        f'<td role="cell" class="wide">{" ".join(badge(each.word, each.tone) for each in badges)}</td>'
        f'<td role="cell" class="number">{_share(one.share)}<span class="label"> of new clients</span></td>'
        f'<td role="cell" class="number">{current}<span class="label"> connections</span></td>'
        f'<td role="cell" class="wide">{_hour(history.last_hour(farm.name, one.name))}</td>'
        f'<td role="cell" class="wide">{_change(farm, one, history, now)}</td></tr>\n'
    )


def _share(share: float) -> str:
    return "&lt;1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _change(farm: FarmStatus, one: BackendStatus, history: History, now: float) -> str:
    """Returns time, kind and reason of a backend's last change; a reason of its current state takes precedence."""
    seen = one.guardian
    if seen is None:
        return '<span class="note">not watched</span>'
    last = history.last_change(farm.name, one.name)
    since, kind = (last.time, last.kind) if last is not None else (seen.since, seen.state)
    reason = seen.reason or (last.reason if last is not None else "")
    if since is None:
        return f'<span class="note">{escape(reason or "no result yet")}</span>'
    when = f'<time datetime="{stamp(since)}" title="{stamp(since)}">{ago(now - since)} ago</time>'
    flaps = f", {seen.flaps} changes" if seen.flaps > 1 else ""
    return f'{escape(kind)} {when}{flaps}<br><span class="note">{escape(reason)}</span>'


def ago(seconds: float) -> str:
    """Returns a duration in its largest unit, rounded down, such as 3 h."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _hour(codes: bytes) -> str:
    """Draws the response times of a backend, with a bar for each minute in which it was down."""
    falls = [minute for minute, code in enumerate(codes) if code == DOWN]
    points = [seconds_of(code) if UNKNOWN < code < DOWN else None for code in codes]
    times = [point for point in points if point is not None]
    words = [f"down in {len(falls)} of 60 minutes"] if falls else []
    if times:
        words.append(f"answered in {_seconds(min(times))} to {_seconds(max(times))}")
    if not words:
        return '<span class="note">nothing seen yet</span>'
    return sparkline(f"Last hour: {', '.join(words)}", points, falls)


def _seconds(value: float) -> str:
    return f"{1000 * value:.2g} ms" if value < 0.0995 else f"{value:.2g} s"


def _farm_hour(farm: FarmStatus, history: History) -> str:
    """Draws how many of the watched backends were up, with a bar for each minute in which none was."""
    minutes = list(up_and_known(history.last_hour(farm.name, one.name) for one in farm.backends))
    points: list[float | None] = [up / known if known else None for up, known in minutes]
    least = min((point for point in points if point is not None), default=None)
    if least is None:
        return ""
    falls = [minute for minute, (up, known) in enumerate(minutes) if known and not up]
    return sparkline(f"Last hour: at least {100 * least:.0f} % of the backends up", points, falls)
