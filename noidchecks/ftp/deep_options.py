"""The options of check_ftp that make it log in, and how their values are read."""

from __future__ import annotations

from ..errors import UsageError
from ..plugin.common import integer
from ..plugin.options import Option
from ..status.state import State
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..status.threshold import Range

DEEP_ROWS = (
    Option("user", extension=True, metavar="NAME", help="Log in as this user (anonymous, when data is asked for)"),
    Option("password-file", extension=True, metavar="FILE", help="Password: the first line of this file"),
    Option("password-env", extension=True, metavar="NAME", help="Password: the value of this environment variable"),
    Option(
        "auth-file", extension=True, metavar="FILE", help="User and password: machine HOST login USER password PASSWORD"
    ),
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
        help="State of a data address that is not the server's: ok, warn, crit (crit)",
    ),
    Option("data-protection", extension=True, metavar="LEVEL", help="Data connections with TLS: P, without: C (P)"),
    Option("list", extension=True, metavar="DIR", help="List this directory; empty for the one after the login"),
    Option("min-files", extension=True, metavar="NUMBER", help="Least number of files that the listing must have"),
    Option("max-files", extension=True, metavar="NUMBER", help="Most files that the listing may have"),
    Option("get", extension=True, metavar="FILE", help="Get this file"),
    Option("size", extension=True, metavar="BYTES|RANGE", help="Size in bytes that the file must have"),
    Option("sha256", extension=True, metavar="HEX", help="SHA-256 that the file must have"),
    Option("contains", extension=True, metavar="TEXT", help="Text that the file must contain"),
    Option("max-age", extension=True, metavar="DURATION", help="Most that the file's age may be, as 90s, 30m, 24h, 7d"),
    Option(
        "put", extension=True, metavar="DIR", help="Store, read back, compare and delete a file of our own there"
    ),
)  # fmt: skip
_NAMES = frozenset(row.name for row in DEEP_ROWS)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SOURCES = ("password-file", "password-env", "auth-file")


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
        from .credentials import read_login
        from .settings import Active, File, Listing

        settings: dict[str, Any] = {name: given[name] for name in ("data", "put") if name in given}
        if "data" in given and not given["data"]:
            raise UsageError("Data must be passive, active or both")
        if "data-protection" in given:
            settings["data_protection"] = given["data-protection"].upper()
        if "foreign-pasv" in given:
            settings["foreign_pasv"] = _state(given["foreign-pasv"])
        sources = [name for name in _SOURCES if name in given]
        if len(sources) > 1:
            raise UsageError(f"--{sources[0]} and --{sources[1]} exclude each other")
        if "user" in given and not given["user"]:
            raise UsageError("User name must not be empty")
        if sources or "user" in given:
            source = sources[0] if sources else ""
            settings["login"] = read_login(given.get("user", ""), source, given.get(source, ""), host)
        if "active-ports" in given or "active-address" in given:
            settings["active"] = Active(given.get("active-address", ""), _ports(given.get("active-ports")))
        self._need("list", "min-files", "max-files")
        self._need("get", "size", "sha256", "contains", "max-age")
        if "list" in given:
            least, most = (_number(name, given.get(name)) for name in ("min-files", "max-files"))
            settings["listing"] = Listing(given["list"], min_files=least, max_files=most)
        if "get" in given:
            settings["get"] = File(
                given["get"],
                size=_size(given["size"]) if "size" in given else None,
                sha256=given.get("sha256", ""),
                contains=given.get("contains", "").encode(errors="surrogateescape"),
                max_age=_duration(given["max-age"]) if "max-age" in given else None,
            )
        if not settings.keys() & {"login", "data", "listing", "get", "put"}:
            raise UsageError(
                f"--{next(iter(given))} needs a check that logs in, as with --user, --data, --list or --get"
            )
        return settings

    def _need(self, owner: str, *names: str) -> None:
        for name in names:
            if name in self._values and owner not in self._values:
                raise UsageError(f"--{name} needs --{owner}")
            if self._values.get(name) == "":
                raise UsageError(f"--{name} must not be empty")


def _state(value: str) -> State:
    for word, state in (("ok", State.OK), ("warn", State.WARNING), ("crit", State.CRITICAL)):
        if value.startswith(word):
            return state
    raise UsageError("Foreign-pasv must be one of ok, warn, crit")


def _ports(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    low, dash, high = text.partition("-")
    first, last = integer(low), integer(high if dash else low)
    if first is None or last is None or not first:
        raise UsageError(f"Active ports must be LOW-HIGH, not {printable(repr(text), 80)}")
    return first, last


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    number = integer(text)
    if number is None or number < 0:
        raise UsageError(f"{name.capitalize()} must be a whole number, not {printable(repr(text), 80)}")
    return number


def _duration(text: str) -> float:
    number = integer(text[:-1] if text[-1:] in _UNITS else text)
    if number is None or number < 0:
        raise UsageError(f"Max-age must be a number of seconds, or like 30m, 24h, 7d, not {printable(repr(text), 80)}")
    return number * _UNITS.get(text[-1:], 1)


def _size(value: str) -> Range:
    """Reads a size: a number means exactly that many bytes."""
    from ..status.threshold import Range

    # Files may be bigger than what the nine digits of integer() count; a float holds fifteen exactly.
    if value.isascii() and value.isdigit() and len(value) <= 15:
        return Range(int(value), int(value))
    try:
        return Range.parse(value)
    except ValueError:
        raise UsageError(f"Size must be a number of bytes or a range, not {printable(repr(value), 80)}") from None
