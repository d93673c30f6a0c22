"""The settings of a check of a TFTP server, validated on construction."""

from __future__ import annotations

from ..errors import UsageError
from ..fields import require_types
from ..server import Server, require_server
from ..status.state import State
from ..status.text import printable
from . import wire
from .file import TftpFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..status.threshold import Range

MODES = ("octet", "netascii")
# The file that is requested when none is given; it must not exist.
ABSENT_FILE = "noidchecks-absent-file"
MAX_RETRIES = 100
MAX_PUT = 1 << 24
GIBIBYTE = 1 << 30

_MAX_ERROR = 8

_PUT_SIZE = 1024


class TftpSettings(Server):
    """What is checked of a TFTP server: filename is read, or without it the answer to a file that does not exist.

    host is a name or an address, timeout seconds. filename is the file, which is counted and hashed as it arrives: size
    is the range of bytes that it may have, sha256 and sha1 are hexadecimal, limit is the size at which reading is given
    up. mode is "octet" or "netascii", of which the decoded bytes count. further are files that are read after that one;
    the first transfer that fails is the last. expect_error is the number of the error, 0..8, that is the right answer
    to each request, in the place of a file. put is the name of a file that put_size random bytes are written to, in the
    place of reading one; they are read back and compared if read_back is set, and stay there. foreign_answer is the
    state when packets of another host come. blksize, tsize and windowsize are the options to ask for. A request or
    acknowledgement that stays unanswered is sent again up to retries times. timeout_state is for the deadline. warning
    and critical are limits of the seconds that the check takes; show_phases shows those of each phase. UsageError for
    values that are impossible or contradict each other.
    """

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
    further: tuple[TftpFile, ...]
    expect_error: int | None
    foreign_answer: State
    put: str
    put_size: int
    read_back: bool
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
        further: tuple[TftpFile, ...] = (),
        expect_error: int | None = None,
        foreign_answer: State = State.WARNING,
        put: str = "",
        put_size: int = _PUT_SIZE,
        read_back: bool = True,
        blksize: int | None = None,
        tsize: bool = False,
        windowsize: int | None = None,
        retries: int = 3,
        limit: int = GIBIBYTE,
        warning: Range | None = None,
        critical: Range | None = None,
        show_phases: bool = False,
    ) -> None:
        self._fill(locals())
        require_types(self)
        require_server(self)
        mode, sha256, sha1 = mode.lower(), sha256.strip().lower(), sha1.strip().lower()
        self._fill(locals())
        self._validate_place()
        self._validate_request()
        self._validate_expectations()
        if self.put:
            self._validate_put()
        elif self.put_size != _PUT_SIZE or not self.read_back:
            raise UsageError("--put-size and --no-read-back go with --put")

    @property
    def options(self) -> dict[str, int]:
        """The options to request, by name, in the order in which they are sent."""
        asked = {"blksize": self.blksize, "tsize": 0 if self.tsize else None, "windowsize": self.windowsize}
        return {name: value for name, value in asked.items() if value is not None}

    @property
    def write_options(self) -> dict[str, int]:
        """The options of the write request for the canary; tsize states its size instead of asking for it."""
        return self.options | ({"tsize": self.put_size} if self.tsize else {})

    @property
    def files(self) -> tuple[TftpFile, ...]:
        """The files to read, in their order; () without a file name."""
        if not self.filename:
            return ()
        return (TftpFile(self.filename, size=self.size, sha256=self.sha256, sha1=self.sha1), *self.further)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases of a check of a healthy server, in order."""
        return ("resolve", "greeting", *(("transfer",) if self.filename or self.put else ()))

    @property
    def request(self) -> bytes:
        """The first request packet."""
        return self.write_request() if self.put else self.read_request(self.filename or ABSENT_FILE)

    def read_request(self, name: str) -> bytes:
        """Returns the read request for a file."""
        return wire.request(name.encode(errors="surrogateescape"), self.mode, self.options)

    def write_request(self) -> bytes:
        """Returns the write request for the canary."""
        return wire.request(self.put.encode(errors="surrogateescape"), self.mode, self.write_options, wire.WRQ)

    def _validate_place(self) -> None:
        if self.host.startswith("/"):
            raise UsageError(f"Host must be a name or an address, not {_quoted(self.host)}")
        _within("Retries", self.retries, 0, MAX_RETRIES)
        if self.limit < 1:
            raise UsageError(f"Maximum size must be at least 1 byte, not {self.limit}")

    def _validate_request(self) -> None:
        names = (self.put or self.filename, *(file.name for file in self.further))
        if not all(names[1:]) or (self.further and not self.filename):
            raise UsageError("File name must not be empty")
        if self.mode not in MODES:
            raise UsageError(f"Mode must be octet or netascii, not {_quoted(self.mode)}")
        for option, (low, high) in wire.OPTION_LIMITS.items():
            value = getattr(self, option)
            if value is not None:
                _within(option.capitalize(), value, low, high)
        requests = [self.request, *(self.read_request(name) for name in names[1:])]
        length = max(map(len, requests))
        if length > wire.REQUEST_LIMIT:
            raise UsageError(f"File name is too long: the request has {length} bytes, at most {wire.REQUEST_LIMIT} fit")

    def _validate_expectations(self) -> None:
        first = TftpFile(self.filename, size=self.size, sha256=self.sha256, sha1=self.sha1)
        if not self.filename and first.is_judged:
            raise UsageError("A size or a hash can only be checked with a file (-f)")
        if self.expect_error is None:
            return
        _within("Expected error", self.expect_error, 0, _MAX_ERROR)
        if any(file.is_judged for file in (first, *self.further)):
            raise UsageError("A file that is answered by an error has no size and no hash")

    def _validate_put(self) -> None:
        if self.filename:
            raise UsageError("A file is either read (-f) or written (--put)")
        if self.mode != "octet":
            raise UsageError("A file can only be written in mode octet")
        _within("Put size", self.put_size, 1, min(MAX_PUT, self.limit))


def _within(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{what} must be {low} to {high}, not {value}")


def _quoted(text: str) -> str:
    return printable(repr(text), 80)
