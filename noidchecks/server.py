"""The settings that the probes of all protocols share, and their validation."""

from __future__ import annotations

from .address import AF_INET, AF_INET6, source_family
from .errors import UsageError
from .fields import is_finite
from .status.text import printable
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .status.state import State
    from .status.threshold import Range

# A name in the DNS has at most 253 characters.
_MAX_HOST = 255
# The most descriptors that a check may have open at a time. It keeps three: FTP the control connection, a data
# connection and an epoll descriptor to wait for both; SSH, on its way to a worker process, the connection, the worker's
# socket and its pidfd. The fourth is opened and closed in between.
MOST_DESCRIPTORS = 4


class Server(Value):
    """The settings of all probes: host is a name or an address, timeout in seconds, source an address of this machine.

    family is AF_INET, AF_INET6 or 0 for both, source "" for any address. Each class of settings declares these fields
    in its own order. The declarations here, with the two methods of a probe, only give type checkers the type of a list
    with probes of several protocols.
    """

    if TYPE_CHECKING:
        host: str
        port: int
        timeout: float
        timeout_state: State
        family: int
        source: str
        warning: Range | None
        critical: Range | None
        show_phases: bool
        dialogue: Callable[[], Any]
        judge: Callable[[Any, Any], Any]

    @property
    def descriptors(self) -> int:
        """The most descriptors that the check may have open at a time."""
        return 1

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases of a check of a healthy server, in order."""
        return ("resolve", "connect", "greeting")


def require_server(settings: Server) -> None:
    """Raises UsageError for an impossible host, port, timeout, family or source."""
    if not is_host(settings.host):
        raise UsageError(f"Host must be a name or an address, not {printable(repr(settings.host), 80)}")
    if not 1 <= settings.port <= 65535:
        raise UsageError(f"Port must be a positive integer, at most 65535, not {settings.port}")
    if not is_finite(settings.timeout):
        raise UsageError(f"Timeout must be seconds, 0 or less for none, not {settings.timeout}")
    if settings.family not in (0, AF_INET, AF_INET6):
        raise UsageError(f"Address family must be AF_INET, AF_INET6 or 0 for both, not {settings.family}")
    if settings.source:
        require_source(settings.source, settings.family)


def is_host(text: str) -> bool:
    """Tells whether the text can be a name, an address or the path of a unix socket."""
    if text.startswith("/"):
        return not any(char in text for char in "\0\r\n")
    return bool(text) and len(text) <= _MAX_HOST and " " not in text and text.isprintable()


def require_source(source: str, family: int) -> None:
    """Raises UsageError unless source is an address of the family (0 for any)."""
    try:
        needed = source_family(source)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if family not in (0, needed):
        raise UsageError(f"Source address {source} is not of the address family asked for")
