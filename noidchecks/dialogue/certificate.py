"""Checks on certificates: the days until they expire, in the words of the C plugins, and pins."""

from __future__ import annotations

from errno import EINVAL
from time import gmtime, time

from ..errors import UsageError
from ..regular import read_regular
from ..status.result import Part
from ..status.state import State
from ..status.text import printable
from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

# A common name has 64 characters at most (RFC 5280, upper bound ub-common-name); servers may send others.
_LONGEST_NAME = 200
_HEX = frozenset("0123456789abcdef")
# The largest file of certificate authorities that is read, in bytes; Debian's has 220 kB.
MOST_AUTHORITIES = 1 << 24

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Certificate(Value):
    """One certificate: its common name, its expiry and its DER encoding."""

    subject: str
    not_after: datetime
    der: bytes

    def __init__(self, subject: str, not_after: datetime, der: bytes) -> None:
        self._fill(locals())


def judge_days(chain: tuple[Certificate, ...], warning: int, critical: int, now: float | None = None) -> Part:
    """Judges the whole days left: WARNING at warning or less, CRITICAL at critical or less or once expired.

    The certificate of the chain that expires first decides. The server's own one is the first of the chain; the text
    names any other as "in the chain of" that.
    """
    first = min(chain, key=lambda certificate: certificate.not_after)
    expires = first.not_after.timestamp()
    left = int(expires - (time() if now is None else now))
    days = left // 86400
    name = f"'{printable(first.subject, _LONGEST_NAME)}'"
    if first is not chain[0]:
        name += f" in the chain of '{printable(chain[0].subject, _LONGEST_NAME)}'"
    when = _stamp(expires)
    if left < 0:
        return Part(State.CRITICAL, f"Certificate {name} expired on {when}.")
    state = State.WARNING if days > critical else State.CRITICAL
    if left == 0:
        return Part(state, f"Certificate {name} just expired ({when}).")
    if days == 0:
        amount = f"{left // 3600} hours" if left >= 3600 else f"{left // 60} minutes"
        return Part(state, f"Certificate {name} expires in {amount} ({when})")
    if days <= max(warning, critical):
        return Part(state, f"Certificate {name} expires in {days} day(s) ({when}).")
    return Part(State.OK, f"Certificate {name} will expire on {when}.")


def pin_of(text: str) -> str:
    """Returns a SHA-256 as 64 lower-case hexadecimal digits; accepts colons, as openssl prints. Raises UsageError."""
    digits = text.strip().replace(":", "").lower()
    if len(digits) != 64 or not _HEX.issuperset(digits):
        raise UsageError(f"TLS pin must be a SHA-256, 64 hexadecimal digits, not {printable(repr(text), 100)}")
    return digits


def require_version(text: str) -> None:
    """Raises UsageError unless the text is a minimum version of TLS, "1.2" or "1.3", or "" for no minimum."""
    if text not in ("", "1.2", "1.3"):
        raise UsageError(f"TLS version must be 1.2 or 1.3, not {printable(repr(text), 80)}")


def _stamp(seconds: float) -> str:
    # Not strftime(), which uses the caller's locale; status lines are in English.
    year, month, day, hour, minute, second, weekday, *_ = gmtime(seconds)
    return f"{_DAYS[weekday]} {_MONTHS[month - 1]} {day:2d} {hour:02d}:{minute:02d}:{second:02d} {year} +0000"


def read_authorities(path: str) -> str:
    """Returns the PEM certificates of a file of authorities; raises OSError, whose strerror is one clause."""
    data = read_regular(path, MOST_AUTHORITIES)
    if b"CERTIFICATE-----" not in data:
        raise OSError(EINVAL, "no certificate in it", path)
    # The text between the certificates may be in any script, and the ssl module accepts only ASCII.
    return data.decode("latin-1").encode("ascii", "replace").decode()
