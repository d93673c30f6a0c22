"""The days that a certificate has left, judged and worded as the C plugins do."""

from __future__ import annotations

from time import gmtime, time

from .status.result import Part
from .status.state import State
from .status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .tls import TlsFacts

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def judge_days(facts: TlsFacts, warning: int, critical: int, now: float | None = None) -> Part:
    """Judges the whole days left: WARNING at warning or less, CRITICAL at critical or less or once expired."""
    expires = facts.not_after.timestamp()
    left = int(expires - (time() if now is None else now))
    days = left // 86400
    name = printable(facts.subject)
    when = _stamp(expires)
    if left < 0:
        return Part(State.CRITICAL, f"Certificate '{name}' expired on {when}.")
    state = State.WARNING if days > critical else State.CRITICAL
    if days == 0:
        amount = f"{left // 3600} hours" if left >= 3600 else f"{left // 60} minutes"
        return Part(state, f"Certificate '{name}' expires in {amount} ({when})")
    if days <= max(warning, critical):
        return Part(state, f"Certificate '{name}' expires in {days} day(s) ({when}).")
    return Part(State.OK, f"Certificate '{name}' will expire on {when}.")


def _stamp(seconds: float) -> str:
    # strftime() speaks the caller's locale; status lines do not.
    year, month, day, hour, minute, second, weekday, *_ = gmtime(seconds)
    return f"{_DAYS[weekday]} {_MONTHS[month - 1]} {day:2d} {hour:02d}:{minute:02d}:{second:02d} {year} +0000"
