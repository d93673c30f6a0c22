"""What the probes of this library have in common: a server, where it is, and how long it may take."""

from __future__ import annotations

from .address import AF_INET, AF_INET6, source_family
from .errors import UsageError
from .fields import is_finite, require_types
from .status.text import printable
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .dialogue.operations import Dialogue
    from .status.result import Result
    from .timings import Timings

# A name in the DNS has at most 253 characters.
_MAX_HOST = 255


class ServerProbe(Value):
    """A check of a server: host is a name or an address, timeout seconds, family AF_INET, AF_INET6 or 0 for both.

    source is the address of this machine to speak from, "" for any.
    """

    __slots__ = ()
    host: str
    port: int
    timeout: float
    family: int
    source: str

    def dialogue(self) -> Dialogue[Any]:
        """Returns the conversation of this probe."""
        raise NotImplementedError

    def judge(self, findings: Any, timings: Timings, /) -> Result:
        """Judges what the conversation found."""
        raise NotImplementedError

    def _require_server(self) -> None:
        """Refuses fields of wrong types, a host, port, timeout, family or source that none can have; UsageError."""
        require_types(self)
        if not is_host(self.host):
            raise UsageError(f"Host must be a name or an address, not {printable(repr(self.host), 80)}")
        if not 1 <= self.port <= 65535:
            raise UsageError(f"Port must be a positive integer, at most 65535, not {self.port}")
        if not is_finite(self.timeout):
            raise UsageError(f"Timeout must be seconds, 0 or less for none, not {self.timeout}")
        if self.family not in (0, AF_INET, AF_INET6):
            raise UsageError(f"Address family must be AF_INET, AF_INET6 or 0 for both, not {self.family}")
        if self.source:
            require_source(self.source, self.family)


def is_host(text: str) -> bool:
    """Tells whether the text can be a name, an address or the path of a unix socket."""
    if text.startswith("/"):
        return not any(char in text for char in "\0\r\n")
    return bool(text) and len(text) <= _MAX_HOST and " " not in text and text.isprintable()


def require_source(source: str, family: int) -> None:
    """Refuses a source address that is none, or is not of the family (0 for any); UsageError."""
    try:
        needed = source_family(source)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if family not in (0, needed):
        raise UsageError(f"Source address {source} is not of the address family asked for")
