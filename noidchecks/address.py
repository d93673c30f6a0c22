"""Addresses of peers, and the parsing of literal addresses. drivers/resolver.py looks up names."""

from __future__ import annotations

# _socket, not socket: the wrapper imports selectors and enum, which cost as much as a bare interpreter start.
import _socket

from .status.text import printable
from .value import Value, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX = _socket.AF_UNSPEC, _socket.AF_INET, _socket.AF_INET6, _socket.AF_UNIX
STREAM, DATAGRAM = _socket.SOCK_STREAM, _socket.SOCK_DGRAM
# sun_path holds 108 bytes, the last one for the NUL.
UNIX_PATH_LIMIT = 107


class Address(Value):
    """The address of a peer: family AF_INET, AF_INET6 or AF_UNIX, and the socket address for the kernel."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | str

    def __init__(self, family: int, sockaddr: tuple[str, int] | tuple[str, int, int, int] | str) -> None:
        _set_family(self, family)
        _set_sockaddr(self, sockaddr)

    @property
    def host(self) -> str:
        """The numeric host, or the path of a unix socket."""
        return self.sockaddr if isinstance(self.sockaddr, str) else self.sockaddr[0]

    @property
    def port(self) -> int:
        """The port; 0 for a unix socket."""
        return 0 if isinstance(self.sockaddr, str) else self.sockaddr[1]

    def __str__(self) -> str:
        if isinstance(self.sockaddr, str):
            return printable(self.sockaddr)
        host, port, *_ = self.sockaddr
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


_set_family, _set_sockaddr = setters(Address)


def literal(host: str, port: int, family: int, kind: int) -> tuple[Address, ...] | None:
    """Returns the address of a literal or a unix socket's path, None for a name; ValueError for neither."""
    if host.startswith("/"):
        return (Address(AF_UNIX, host),)
    if not host.isascii():
        return None
    if host == "*":
        # The C library treats it as no host, which means this machine.
        raise ValueError(f"not a name: {host!r}")
    if family in (AF_UNSPEC, AF_INET) and _is_dotted_quad(host):
        # A fast path for most targets of a survey, of whose time getaddrinfo() would take a tenth.
        return (Address(AF_INET, (host, port)),)
    try:
        found = _socket.getaddrinfo(host.encode(), port, AF_UNSPEC, kind, 0, _socket.AI_NUMERICHOST)
    except _socket.gaierror:
        if not host or "\0" in host or ":" in host or "[" in host or " " in host:
            raise ValueError(f"not a name: {host!r}") from None
        return None
    except ValueError:
        raise ValueError(f"not a name: {host!r}") from None
    return of_family(found, family, host)  # type: ignore[arg-type]  # typeshed gives a wider sockaddr than these families have


def of_family(
    found: Sequence[tuple[int, int, int, str, tuple[str, int]]], wanted: int, host: str
) -> tuple[Address, ...]:
    """Returns getaddrinfo()'s addresses of the wanted family (AF_UNSPEC: all); ValueError when there are none."""
    addresses = tuple(Address(family, sockaddr) for family, *_, sockaddr in found if wanted in (AF_UNSPEC, family))
    if not addresses:
        raise ValueError(f"{host} has no address of the wanted family")
    return addresses


def _is_dotted_quad(host: str) -> bool:
    try:
        _socket.inet_pton(AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


def source_family(source: str) -> int:
    """Returns the family of a literal source address; ValueError for any other text."""
    for family in (AF_INET, AF_INET6):
        try:
            _socket.inet_pton(family, source.partition("%")[0])
        except (OSError, ValueError):
            continue
        return family
    raise ValueError(f"Source address must be an IPv4 or IPv6 address: {printable(source)}")
