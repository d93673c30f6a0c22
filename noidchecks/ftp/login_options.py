"""The options of check_ftp for the login and the transfers after it, and the parsing of their values."""

from __future__ import annotations

from ..errors import UsageError
from ..files.options import FILE_ROWS, PASSWORD_ROWS, files_of, login_of
from ..plugin.common import integer, state
from ..plugin.getopt import Option
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..plugin.common import Given
    from ..status.state import State

_ASK_FOR_LOGIN = frozenset(("login", "data", "listing", "get", "put"))


def login_settings(given: Given, host: str) -> dict[str, Any]:
    """Returns the settings from combinations of these options, {} when none is given; raises UsageError."""
    names = [name for name in given.names if name in _NAMES]
    if not names:
        return {}
    texts = given.texts
    settings = files_of(texts)
    login = login_of(texts, host)
    if login is not None:
        settings["login"] = login
    if "active-ports" in texts or "active-address" in texts:
        from .active import Active

        settings["active"] = Active(texts.get("active-address", ""), _ports(texts.get("active-ports")))
    if _ASK_FOR_LOGIN.isdisjoint(given.settings | settings):
        raise UsageError(f"--{names[0]} needs a check that logs in, as with --user, --data, --list or --get")
    return settings


def _data(value: str, _title: str) -> str:
    if not value:
        raise UsageError("Data must be passive, active or both")
    return value


def _upper(value: str, _title: str) -> str:
    return value.upper()


def _foreign(value: str, _title: str) -> State:
    return state(value, "Foreign PASV")


def _ports(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    low, dash, high = text.partition("-")
    first, last = integer(low), integer(high if dash else low)
    if first is None or last is None or not first:
        raise UsageError(f"Active ports must be LOW-HIGH, not {printable(repr(text), 80)}")
    return first, last


LOGIN_ROWS = (
    Option("user", extension=True, metavar="NAME", help="Log in as this user (anonymous, when data is asked for)"),
    *PASSWORD_ROWS,
    Option(
        "data", extension=True, metavar="MODE", help="Try data connections with a listing: passive, active, both",
        field="data", read=_data,
    ),
    Option(
        "active-ports", extension=True, metavar="LOW-HIGH", help="Ports to be called back on in active mode (any)"
    ),
    Option("active-address", extension=True, metavar="ADDRESS", help="Address to be called back on in active mode"),
    Option(
        "foreign-pasv", extension=True, metavar="STATE",
        help="State of a data address that is not the server's (critical)", field="foreign_pasv", read=_foreign,
    ),
    Option(
        "data-protection", extension=True, metavar="LEVEL", help="Data connections with TLS: P, without: C (P)",
        field="data_protection", read=_upper,
    ),
    *FILE_ROWS,
)  # fmt: skip
_NAMES = frozenset(row.name for row in LOGIN_ROWS)
