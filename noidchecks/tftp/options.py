"""The option table of check_tftp."""

from __future__ import annotations

from ..errors import UsageError
from ..plugin.common import ADDRESS_ROWS, HELP_ROWS, OUTPUT_ROWS, Given, bytes_of, integer, port, size, state, time_rows
from ..plugin.getopt import Option
from ..plugin.plugin import Plugin
from ..status.text import printable
from .file import TftpFile
from .probe import TftpProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..plugin.getopt import Scan
    from ..plugin.plugin import Command


def build(scan: Scan) -> Command:
    """Converts the options to a command; the host may come before, between or after them. Raises UsageError."""
    if scan.is_empty:
        raise UsageError("No arguments found")
    given = Given(PLUGIN)
    settings = given.settings
    hosts: list[str] = []
    gets = False
    for name, value in scan.anywhere():
        if name in ("hostname", "connect", "get"):
            hosts.append(value)
            gets = gets or name == "get"
        else:
            given.take(name, value)
    words = scan.rest
    if gets:
        if len(words) != 2 or "filename" in settings or "size" in settings:
            raise UsageError("--get must be followed by HOST FILE SIZE")
        for name, value in zip(("file", "size"), words, strict=True):
            given.take(name, value)
        words = []
    for word in words:
        if word.startswith("-"):
            raise UsageError(f"Unexpected word: {printable(word)}")
        hosts.append(word)
    if not hosts:
        raise UsageError("No host given")
    if len(hosts) > 1:
        raise UsageError(f"Only one host can be given, not also {printable(hosts[1])} (a file is given with -f)")
    files = {name: settings.pop(name, ()) for name in ("filename", "size", "sha256", "sha1")}
    return given.command(TftpProbe(hosts[0], **settings, **_files(**files)))


def _files(filename: tuple[str, ...], **expected: tuple[Any, ...]) -> dict[str, Any]:
    """Assigns the expected values to the files: an option has a value for each file, in their order, or none."""
    count = len(filename)
    for option, values in expected.items():
        if count > 1 and len(values) not in (0, count):
            raise UsageError(f"{count} files need {count} values of --{option}, in the same order, not {len(values)}")
    if count < 2:
        # As with all other options, the last value counts.
        return {name: values[-1] for name, values in {"filename": filename, **expected}.items() if values}
    rows = [{name: values[number] for name, values in expected.items() if values} for number in range(count)]
    further = tuple(TftpFile(name, **row) for name, row in zip(filename[1:], rows[1:], strict=True))
    return {"filename": filename[0], "further": further, **rows[0]}


def _file(value: str, _title: str) -> str:
    if not value:
        raise UsageError("File name must not be empty")
    return value


def _put(value: str, _title: str) -> str:
    if not value:
        raise UsageError("Name of the file to write must not be empty")
    return value


def _hash(value: str, title: str) -> str:
    if not value:
        raise UsageError(f"{title.upper()} must not be empty")
    return value


def _error(value: str, _title: str) -> int:
    return _whole(value, "Expected error")


def _whole(value: str, title: str) -> int:
    number = integer(value)
    if number is None:
        raise UsageError(f"{title} must be a whole number, not {printable(repr(value), 80)}")
    return number


def _positive(value: str, title: str) -> int:
    number = bytes_of(value)
    if not number:
        raise UsageError(f"{title} must be a positive integer")
    return number


ROWS = (
    *HELP_ROWS,
    Option("hostname", "H", "ADDRESS", "Host name or address; may also be given without -H"),
    Option("connect", metavar="HOST", help="Same as -H, for calls of older plugins of this name"),
    Option("get", metavar="HOST", help="Same as -H, with a file and its size behind: --get HOST FILE SIZE"),
    Option("port", "p", "PORT", "UDP port (69)", field="port", read=port),
    *ADDRESS_ROWS,
    Option(
        "file", "f", "FILE", "Read this file; without it, a file that does not exist is asked for", repeatable=True,
        field="filename", read=_file,
    ),
    Option(
        "size", metavar="BYTES or RANGE", help="Size in bytes that the file must have, outside of which is CRITICAL",
        repeatable=True, field="size", read=size,
    ),
    Option(
        "sha256", metavar="HEX", help="SHA-256 that the file must have", repeatable=True, field="sha256", read=_hash
    ),
    Option("sha1", metavar="HEX", help="SHA-1 that the file must have", repeatable=True, field="sha1", read=_hash),
    Option(
        "expect-error", metavar="CODE", help="Number of the error, 0 to 8, that is the right answer to the request",
        field="expect_error", read=_error,
    ),
    Option(
        "foreign-answer", metavar="STATE", help="State when another host answers too (warning)",
        field="foreign_answer", read=state,
    ),
    Option(
        "put", metavar="NAME", help="Write random bytes to this file, which stays there, and read them back",
        field="put", read=_put,
    ),
    Option(
        "put-size", metavar="BYTES", help="Number of the bytes to write, up to 16777216 (1024)",
        field="put_size", read=_positive,
    ),
    Option("no-read-back", help="Do not read back what was written", field="read_back", value=False),
    Option("mode", metavar="MODE", help="Transfer mode: octet or netascii, which is decoded (octet)", field="mode"),
    Option(
        "blksize", metavar="BYTES", help="Ask for blocks of this many bytes, 8 to 65464 (RFC 2348)",
        field="blksize", read=_whole,
    ),
    Option("tsize", help="Ask for the size of the file and compare it with what arrives (RFC 2349)", field="tsize"),
    Option(
        "windowsize", metavar="BLOCKS", help="Ask for windows of this many blocks, 1 to 65535 (RFC 7440)",
        field="windowsize", read=_whole,
    ),
    Option(
        "retries", "r", "NUMBER", "Send again so often what stays unanswered, 0 to 100 (3)",
        field="retries", read=_whole,
    ),
    Option("maxbytes", "m", "BYTES", "Give up a file that is bigger (1073741824)", field="limit", read=_positive),
    *time_rows(),
    *OUTPUT_ROWS,
)  # fmt: skip
# The options that the beginning of the usage text already has.
_TOLD = frozenset(("hostname", "connect", "get", *(row.name for row in HELP_ROWS)))

PLUGIN = Plugin(
    "check_tftp",
    blurb="This plugin tests a TFTP server by reading a file, or by asking for one that does not exist.",
    usage="check_tftp [-H] <host> (or --connect <host>, or --get <host> <file> <size>)",
    in_usage=lambda row: row.name not in _TOLD,
    rows=ROWS,
    build=build,
)
