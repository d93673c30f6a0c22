"""The options of check_ftp that make it log in, and how their values are read."""

from __future__ import annotations

from ..errors import UsageError
from ..files.options import FILE_ROWS, PASSWORD_ROWS, files_of, login_of
from ..plugin.common import integer, state
from ..plugin.getopt import Option
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEEP_ROWS = (
    Option("user", extension=True, metavar="NAME", help="Log in as this user (anonymous, when data is asked for)"),
    *PASSWORD_ROWS,
    Option(
        "data", extension=True, metavar="MODE", help="Try data connections with a listing: passive, active, both"
    ),
    Option(
        "active-ports", extension=True, metavar="LOW-HIGH", help="Ports to be called back on in active mode (any)"
    ),
    Option("active-address", extension=True, metavar="ADDRESS", help="Address to be called back on in active mode"),
    Option(
        "foreign-pasv",
        extension=True,
        metavar="STATE",
        help="State of a data address that is not the server's (critical)",
    ),
    Option("data-protection", extension=True, metavar="LEVEL", help="Data connections with TLS: P, without: C (P)"),
    *FILE_ROWS,
)  # fmt: skip
_NAMES = frozenset(row.name for row in DEEP_ROWS)


class DeepSettings:
    """Collects the values of the rows."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def take(self, name: str, value: str) -> bool:
        """Keeps one option and tells whether it is of these rows."""
        if name not in _NAMES:
            return False
        self._values[name] = value
        return True

    def build(self, host: str) -> dict[str, Any]:
        """Returns what FtpProbe takes by keyword; UsageError."""
        given = self._values
        if not given:
            return {}
        settings: dict[str, Any] = {"data": given["data"]} if "data" in given else {}
        if "data" in given and not given["data"]:
            raise UsageError("Data must be passive, active or both")
        if "data-protection" in given:
            settings["data_protection"] = given["data-protection"].upper()
        if "foreign-pasv" in given:
            settings["foreign_pasv"] = state(given["foreign-pasv"], "Foreign PASV")
        login = login_of(given, host)
        if login is not None:
            settings["login"] = login
        if "active-ports" in given or "active-address" in given:
            from .active import Active

            settings["active"] = Active(given.get("active-address", ""), _ports(given.get("active-ports")))
        settings |= files_of(given)
        if not settings.keys() & {"login", "data", "listing", "get", "put"}:
            raise UsageError(
                f"--{next(iter(given))} needs a check that logs in, as with --user, --data, --list or --get"
            )
        return settings


def _ports(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    low, dash, high = text.partition("-")
    first, last = integer(low), integer(high if dash else low)
    if first is None or last is None or not first:
        raise UsageError(f"Active ports must be LOW-HIGH, not {printable(repr(text), 80)}")
    return first, last
