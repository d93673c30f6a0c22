"""The options that FTP and SFTP checks have in common, and the parsing of their values."""

from __future__ import annotations

from ..errors import UsageError
from ..plugin.common import integer, size
from ..plugin.getopt import Option
from ..status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..status.threshold import Range
    from .settings import Login

PASSWORD_ROWS = (
    Option("password-file", extension=True, metavar="FILE", help="Password: the first line of this file"),
    Option("password-env", extension=True, metavar="NAME", help="Password: the value of this environment variable"),
    Option(
        "auth-file", extension=True, metavar="FILE", help="User and password: machine HOST login USER password PASSWORD"
    ),
)  # fmt: skip
FILE_ROWS = (
    Option("list", extension=True, metavar="DIR", help="List this directory; empty for the one after the login"),
    Option("min-files", extension=True, metavar="NUMBER", help="Least number of files that the listing must have"),
    Option("max-files", extension=True, metavar="NUMBER", help="Most files that the listing may have"),
    Option("get", extension=True, metavar="FILE", help="Get this file"),
    Option("size", extension=True, metavar="BYTES or RANGE", help="Size in bytes that the file must have"),
    Option("sha256", extension=True, metavar="HEX", help="SHA-256 that the file must have"),
    Option("contains", extension=True, metavar="TEXT", help="Text that the file must contain"),
    Option("max-age", extension=True, metavar="DURATION", help="Most that the file's age may be, as 90s, 1.5h, 2w"),
    Option(
        "put", extension=True, metavar="DIR", help="Store, read back, compare and delete a file of our own there"
    ),
)  # fmt: skip
# More bytes than a file can have.
_ANY_SIZE = 1 << 63
_SOURCES = ("password-file", "password-env", "auth-file")


def login_of(given: Mapping[str, str], host: str, *, needs_password: bool = True) -> Login | None:
    """Returns the login of the options, None when they give none; raises UsageError.

    Without needs_password, a user without a password option gets the password "".
    """
    sources = [name for name in _SOURCES if name in given]
    # check_sftp stores the value of its own two options as "password".
    named = [f"--{name}" for name in sources] + ["--secret or --secret-reference"] * ("password" in given)
    if len(named) > 1:
        raise UsageError(f"{named[0]} and {named[1]} exclude each other")
    if given.get("user") == "":
        raise UsageError("User name must not be empty")
    if not sources and "user" not in given:
        return None
    if not sources and not needs_password:
        from .settings import Login

        return Login(given["user"], "")
    from .login import read_login

    source = sources[0] if sources else ""
    return read_login(given.get("user", ""), source, given.get(source, ""), host)


def files_of(given: Mapping[str, str]) -> dict[str, Any]:
    """Returns the keyword arguments listing, get and put of probes; raises UsageError."""
    settings: dict[str, Any] = {"put": given["put"]} if "put" in given else {}
    _need(given, "list", "min-files", "max-files")
    _need(given, "get", "size", "sha256", "contains", "max-age")
    if "list" in given:
        from .settings import Listing

        least, most = (_number(name, given.get(name)) for name in ("min-files", "max-files"))
        settings["listing"] = Listing(given["list"], min_files=least, max_files=most)
    if "get" in given:
        from .settings import GIBIBYTE, File

        wanted = size(given["size"]) if "size" in given else None
        settings["get"] = File(
            given["get"],
            size=wanted,
            sha256=given.get("sha256", ""),
            contains=given.get("contains", "").encode(errors="surrogateescape"),
            max_age=_duration(given["max-age"]) if "max-age" in given else None,
            # With --size, the limit is at least the largest accepted size, so that such a file is read to its end.
            limit=GIBIBYTE if wanted is None else max(GIBIBYTE, _most(wanted)),
        )
    return settings


def _need(given: Mapping[str, str], owner: str, *names: str) -> None:
    for name in names:
        if name in given and owner not in given:
            raise UsageError(f"--{name} needs --{owner}")
        if given.get(name) == "":
            raise UsageError(f"--{name} must not be empty")


def _most(wanted: Range) -> int:
    """Returns the largest size, in bytes, that the wanted range accepts."""
    return _ANY_SIZE if wanted.inside or wanted.end > _ANY_SIZE else int(wanted.end)


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    number = integer(text)
    if number is None or number < 0:
        raise UsageError(f"{name.capitalize()} must be a whole number, not {printable(repr(text), 80)}")
    return number


def _duration(text: str) -> float:
    from ..duration import seconds

    found = seconds(text)
    if found is None:
        raise UsageError(f"Max-age must be a number of seconds, or like 30m, 24h, 7d, not {printable(repr(text), 80)}")
    return found
