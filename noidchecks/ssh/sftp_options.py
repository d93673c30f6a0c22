"""The option table of check_sftp: that of check_ssh and the option names of Checkmk's plugin."""

from __future__ import annotations

from ..errors import UsageError
from ..plugin.common import filled
from ..plugin.getopt import Option
from ..plugin.plugin import Plugin
from ..regular import read_regular
from ..status.text import printable
from .options import ROWS, build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plugin.getopt import Scan
    from ..plugin.plugin import Command

_SAME = {
    "get-remote": "get",
    "put-remote": "put",
    "secret": "password",
}
# Checkmk's plugin stores the file that it gets, and puts a file of the caller; check_sftp does neither.
_IGNORED = ("get-local", "put-local")
_MOST_BYTES_OF_SECRETS = 1_000_000
_MOST_DIGITS = 20
_ROWS = (
    Option("secret", extension=True, metavar="PASSWORD", help="Password, for all to read in the list of processes"),
    Option(
        "secret-reference", extension=True, metavar="ID:FILE", help="Password: what stands behind ID: in a line of FILE"
    ),
    Option("look-for-keys", extension=True, help="Log in with the usual keys in ~/.ssh"),
    Option("get-remote", extension=True, metavar="FILE", help="Same as --get"),
    Option("get-local", extension=True, metavar="DIR", help="Accepted and ignored: what is got is not kept"),
    Option("put-remote", extension=True, metavar="DIR", help="Same as --put"),
    Option("put-local", extension=True, metavar="FILE", help="Accepted: it is always a file of our own that is put"),
    Option(
        "get-timestamp", extension=True, metavar="FILE", help="Tell when this file was last modified",
        field="timestamp", read=filled,
    ),
    Option("debug", extension=True, help="Same as --verbose", field="verbose"),
)  # fmt: skip


def _build(scan: Scan) -> Command:
    names = _Names(scan)
    return build(names, PLUGIN, {"sftp": True}, spare_words=False)  # type: ignore[arg-type]  # it iterates and has a rest, as a Scan


class _Names:
    """A Scan with Checkmk's option names replaced by those of check_ssh."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan

    @property
    def rest(self) -> list[str]:
        return self._scan.rest

    def __iter__(self) -> Iterator[tuple[str, str]]:
        puts_own_file = False
        has_folder = False
        for name, value in self._scan.anywhere():
            if name == "secret-reference":
                yield "password", _referenced(value)
            elif name == "timeout" and _is_decimal(value):
                # Checkmk writes 10.0; check_ssh reads whole seconds.
                yield name, str(max(1, round(float(value))))
            elif name in _IGNORED:
                puts_own_file = puts_own_file or name == "put-local"
            else:
                has_folder = has_folder or name == "put-remote"
                yield _SAME.get(name, name), value
        if puts_own_file and not has_folder:
            yield "put", ""


def _is_decimal(text: str) -> bool:
    """Tells whether a text is digits with a point; its length is limited, so that float() does not return inf."""
    digits = text.replace(".", "", 1)
    return digits != text and len(digits) <= _MOST_DIGITS and digits.isascii() and digits.isdigit()


def _referenced(value: str) -> str:
    identity, colon, path = value.partition(":")
    if not colon or not identity:
        raise UsageError("Secret reference must be ID:FILE")
    try:
        lines = read_regular(path, _MOST_BYTES_OF_SECRETS).decode(errors="surrogateescape").splitlines()
    except OSError as error:
        raise UsageError(f"Cannot read secret file {printable(path)}: {error.strerror}") from None
    for line in lines:
        name, found, secret = line.partition(":")
        if found and name == identity:
            return secret
    raise UsageError(f"Secret file {printable(path)} has no line {printable(identity)}:")


PLUGIN = Plugin(
    "check_sftp",
    blurb="Log in to an SSH server, open an SFTP session and move files",
    usage="check_sftp  [-4] [-6] [-t <timeout>] [-p <port>] --user <name> [--identity <file>] [--get <file>] <host>",
    rows=(*(option for option in ROWS if option.name != "sftp"), *_ROWS),
    build=_build,
)
