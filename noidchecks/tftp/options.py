"""The option table of check_tftp."""

from __future__ import annotations

from ..errors import UsageError
from ..plugin.common import ADDRESS_ROWS, HELP_ROWS, OUTPUT_ROWS, TIME_ROWS, CommonSettings, integer, port, state
from ..plugin.getopt import Option
from ..plugin.plugin import Plugin
from ..status.text import printable
from ..status.threshold import Range
from .file import TftpFile
from .probe import TftpProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..plugin.getopt import Scan
    from ..plugin.plugin import Command

OPTIONS = (
    *HELP_ROWS,
    Option("hostname", "H", "ADDRESS", "Host name or address; may also be given without -H"),
    Option("connect", metavar="HOST", help="Same as -H, for calls of older plugins of this name"),
    Option("get", metavar="HOST", help="Same as -H, with a file and its size behind: --get HOST FILE SIZE"),
    Option("port", "p", "PORT", "UDP port (69)"),
    *ADDRESS_ROWS,
    Option("file", "f", "FILE", "Read this file; without it, a file that does not exist is asked for", repeatable=True),
    Option(
        "size",
        metavar="BYTES or RANGE",
        help="Size in bytes that the file must have, outside of which is CRITICAL",
        repeatable=True,
    ),
    Option("sha256", metavar="HEX", help="SHA-256 that the file must have", repeatable=True),
    Option("sha1", metavar="HEX", help="SHA-1 that the file must have", repeatable=True),
    Option("expect-error", metavar="CODE", help="Number of the error, 0 to 8, that is the right answer to the request"),
    Option("foreign-answer", metavar="STATE", help="State when another host answers too (warning)"),
    Option("put", metavar="NAME", help="Write random bytes to this file, which stays there, and read them back"),
    Option("put-size", metavar="BYTES", help="Number of the bytes to write, up to 16777216 (1024)"),
    Option("no-read-back", help="Do not read back what was written"),
    Option("mode", metavar="MODE", help="Transfer mode: octet or netascii, which is decoded (octet)"),
    Option("blksize", metavar="BYTES", help="Ask for blocks of so many bytes, 8 to 65464 (RFC 2348)"),
    Option("tsize", help="Ask for the size of the file and compare it with what arrives (RFC 2349)"),
    Option("windowsize", metavar="BLOCKS", help="Ask for windows of so many blocks, 1 to 65535 (RFC 7440)"),
    Option("retries", "r", "NUMBER", "Send again so often what stays unanswered, 0 to 100 (3)"),
    Option("maxbytes", "m", "BYTES", "Give up a file that is bigger (1073741824)"),
    *TIME_ROWS,
    *OUTPUT_ROWS,
)

USAGE = """\
check_tftp [-H] <host> [-p <port>] [-f <file>]... [--size <bytes or range>]... [--sha256 <hex>]...
[--sha1 <hex>]... [--expect-error <code>] [--foreign-answer <state>]
[--put <file>] [--put-size <bytes>] [--no-read-back]
[--mode <mode>] [--blksize <bytes>] [--tsize] [--windowsize <blocks>]
[-r <retries>] [-m <maximum bytes>] [-w <warning time>] [-c <critical time>]
[-t <timeout seconds>[:<state>]] [--timeout-state <state>] [-4] [-6] [--source <address>] [-v]
[--phases] [--output-format <format>]
check_tftp --connect <host>
check_tftp --get <host> <file> <size>"""


def build(scan: Scan) -> Command:
    """Turns the options into a command; the host may stand before, between or behind them. UsageError."""
    if scan.is_empty:
        raise UsageError("No arguments found")
    common = CommonSettings(PLUGIN)
    settings: dict[str, Any] = common.probe
    files: dict[str, list[Any]] = {"filename": [], "size": [], "sha256": [], "sha1": []}
    hosts: list[str] = []
    gets = False
    for name, value in scan.anywhere():
        if name in ("hostname", "connect", "get"):
            hosts.append(value)
            gets = gets or name == "get"
        elif not common.take(name, value):
            _keep(_setting(name, value), files, settings)
    words = scan.rest
    if gets:
        if len(words) != 2 or files["filename"] or files["size"]:
            raise UsageError("--get must be followed by HOST FILE SIZE")
        for name, value in zip(("file", "size"), words, strict=True):
            _keep(_setting(name, value), files, settings)
        words = []
    for word in words:
        if word.startswith("-"):
            raise UsageError(f"Unexpected word: {printable(word)}")
        hosts.append(word)
    if not hosts:
        raise UsageError("No host given")
    if len(hosts) > 1:
        raise UsageError(f"Only one host can be given, not also {printable(hosts[1])} (a file is given with -f)")
    return common.command(TftpProbe(hosts[0], **settings, **_files(**files)))


def _keep(found: dict[str, Any], files: dict[str, list[Any]], settings: dict[str, Any]) -> None:
    for key, setting in found.items():
        if key in files:
            files[key].append(setting)
        else:
            settings[key] = setting


def _files(filename: list[str], **expected: list[Any]) -> dict[str, Any]:
    """Gives each file what is expected of it: as many values as there are files, in their order, or none."""
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


def _setting(name: str, value: str) -> dict[str, Any]:
    match name:
        case "port":
            return {"port": port(value)}
        case "file":
            if not value:
                raise UsageError("File name must not be empty")
            return {"filename": value}
        case "size":
            return {"size": _size(value)}
        case "tsize":
            return {"tsize": True}
        case "blksize" | "windowsize" | "retries":
            return {name: _whole(name.capitalize(), value)}
        case "expect-error":
            return {"expect_error": _whole("Expected error", value)}
        case "foreign-answer":
            return {"foreign_answer": state(value, "Foreign answer")}
        case "put":
            if not value:
                raise UsageError("Name of the file to write must not be empty")
            return {"put": value}
        case "put-size":
            return {"put_size": _positive("Put size", value)}
        case "no-read-back":
            return {"read_back": False}
        case "maxbytes":
            return {"limit": _positive("Maxbytes", value)}
        case "sha256" | "sha1":
            if not value:
                raise UsageError(f"{name.upper()} must not be empty")
            return {name: value}
    return {name: value}


def _whole(what: str, value: str) -> int:
    number = integer(value)
    if number is None:
        raise UsageError(f"{what} must be a whole number, not {printable(repr(value), 80)}")
    return number


def _positive(what: str, value: str) -> int:
    number = _bytes(value)
    if not number:
        raise UsageError(f"{what} must be a positive integer")
    return number


def _size(value: str) -> Range:
    """Reads a size: a number means exactly that many bytes, as in other check_tftp plugins."""
    number = _bytes(value)
    if number is not None:
        return Range(number, number)
    try:
        return Range.parse(value)
    except ValueError:
        raise UsageError(f"Size must be a number of bytes or a range, not {printable(repr(value), 80)}") from None


def _bytes(value: str) -> int | None:
    # Files may be bigger than what the 32 bits of integer() hold; a float holds fifteen exactly.
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 15 else None


PLUGIN = Plugin(
    "check_tftp",
    blurb="This plugin tests a TFTP server by reading a file, or by asking for one that does not exist.",
    usage=USAGE,
    options=OPTIONS,
    build=build,
)
