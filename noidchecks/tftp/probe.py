"""The TFTP probe and its settings."""

from __future__ import annotations

from ..address import source_family
from ..errors import LocalError, UsageError
from ..status.state import State
from ..status.text import printable
from ..value import Value
from . import wire
from .dialogue import converse
from .judgement import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue import Dialogue
    from ..status.result import Result
    from ..status.threshold import Range
    from ..timings import Timings
    from .content import Content
    from .findings import Findings

# Asked for when no file is given, so it must not exist.
ABSENT_FILE = "noidchecks-absent-file"
MODES = ("octet", "netascii")
MAX_RETRIES = 100
GIBIBYTE = 1 << 30

# option -> the least and the greatest value that a client may ask for (RFC 2348, 7440)
_OPTION_LIMITS = {"blksize": (8, 65464), "windowsize": (1, 65535)}
_HASH_LENGTHS = {"sha256": 64, "sha1": 40}


class TftpProbe(Value):
    """A check of a TFTP server: reads a file, or without one asks for a file that does not exist.

    host is a name or an address, timeout seconds. The file is counted and hashed as it arrives: size is the range of
    bytes that it may have, sha256 and sha1 are hexadecimal, limit is the size at which reading is given up. mode is
    "octet" or "netascii", of which the decoded bytes count. blksize, tsize and windowsize are the options to ask for. A
    request or acknowledgement that stays unanswered is sent again up to retries times. timeout_state is for the
    deadline. UsageError for values that are impossible or contradict each other.
    """

    __slots__ = (
        "host",
        "filename",
        "port",
        "timeout",
        "timeout_state",
        "family",
        "source",
        "mode",
        "size",
        "sha256",
        "sha1",
        "blksize",
        "tsize",
        "windowsize",
        "retries",
        "limit",
        "warning",
        "critical",
        "show_phases",
    )
    host: str
    filename: str
    port: int
    timeout: float
    timeout_state: State
    family: int
    source: str
    mode: str
    size: Range | None
    sha256: str
    sha1: str
    blksize: int | None
    tsize: bool
    windowsize: int | None
    retries: int
    limit: int
    warning: Range | None
    critical: Range | None
    show_phases: bool

    def __init__(
        self,
        host: str,
        filename: str = "",
        *,
        port: int = 69,
        timeout: float = 10,
        timeout_state: State = State.CRITICAL,
        family: int = 0,
        source: str = "",
        mode: str = "octet",
        size: Range | None = None,
        sha256: str = "",
        sha1: str = "",
        blksize: int | None = None,
        tsize: bool = False,
        windowsize: int | None = None,
        retries: int = 3,
        limit: int = GIBIBYTE,
        warning: Range | None = None,
        critical: Range | None = None,
        show_phases: bool = False,
    ) -> None:
        mode, sha256, sha1 = mode.lower(), sha256.strip().lower(), sha1.strip().lower()
        self._fill(locals())
        self._validate_place()
        self._validate_request()
        self._validate_expectations()

    @property
    def options(self) -> dict[str, int]:
        """The options to ask for, by name, in the order in which they are sent."""
        asked = {"blksize": self.blksize, "tsize": 0 if self.tsize else None, "windowsize": self.windowsize}
        return {name: value for name, value in asked.items() if value is not None}

    @property
    def request(self) -> bytes:
        """The read request that is sent."""
        filename = self.filename or ABSENT_FILE
        return wire.request(filename.encode(errors="surrogateescape"), self.mode, self.options)

    def dialogue(self) -> Dialogue[Findings]:
        """Returns the conversation of this probe."""
        return converse(self, self._content() if self.filename else None)

    def judge(self, findings: Findings, timings: Timings) -> Result:
        """Judges what the conversation found."""
        return judge(self, findings, timings)

    def _content(self) -> Content:
        from .content import Content

        names = [name for name in _HASH_LENGTHS if getattr(self, name)]
        if not names:
            return Content(netascii=self.mode == "netascii")
        # Before the clock starts: loading it is not the server's time.
        import hashlib

        hashes = [hashlib.new(name, usedforsecurity=False) for name in names]
        return Content(hashes, netascii=self.mode == "netascii")

    def _validate_place(self) -> None:
        if not self.host or self.host.startswith("/") or "\0" in self.host:
            raise UsageError(f"Host must be a name or an address, not {_quoted(self.host)}")
        _within("Port", self.port, 1, 65535)
        _within("Retries", self.retries, 0, MAX_RETRIES)
        if self.limit < 1:
            raise UsageError(f"Maximum size must be at least 1 byte, not {self.limit}")
        if self.source:
            _check_source(self.source, self.family)

    def _validate_request(self) -> None:
        if "\0" in self.filename:
            raise UsageError(f"File name must not contain NUL: {_quoted(self.filename)}")
        if self.mode not in MODES:
            raise UsageError(f"Mode must be octet or netascii, not {_quoted(self.mode)}")
        for name, (low, high) in _OPTION_LIMITS.items():
            value = getattr(self, name)
            if value is not None:
                _within(name.capitalize(), value, low, high)
        length = len(self.request)
        if length > wire.REQUEST_LIMIT:
            raise UsageError(f"File name is too long: the request has {length} bytes, at most {wire.REQUEST_LIMIT} fit")

    def _validate_expectations(self) -> None:
        for name, length in _HASH_LENGTHS.items():
            value = getattr(self, name)
            if value and (len(value) != length or not set(value) <= set("0123456789abcdef")):
                raise UsageError(f"{name.upper()} must be {length} hexadecimal digits, not {_quoted(value)}")
        if self.size is not None and self.size.end < 0 and not self.size.inside:
            raise UsageError(f"Size must not be negative: {self.size}")
        if not self.filename and (self.size is not None or self.sha256 or self.sha1):
            raise UsageError("A size or a hash can only be checked with a file (-f)")


def _within(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{what} must be {low} to {high}, not {value}")


def _check_source(source: str, family: int) -> None:
    try:
        needed = source_family(source)
    except LocalError as error:
        raise UsageError(error.message) from None
    if family not in (0, needed):
        raise UsageError(f"Source address {source} is not of the address family asked for")


def _quoted(text: str) -> str:
    return printable(repr(text), 80)
