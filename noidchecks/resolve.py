"""Addresses of hosts: the text itself, or what getaddrinfo() returns for a name."""

from __future__ import annotations

# As in address.py.
import _socket

from .address import AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, Address
from .errors import LocalError, NotResolved
from .status.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def literal(host: str, port: int, family: int, kind: int) -> tuple[Address, ...] | None:
    """Returns the address that the text itself is, or None for a name; NotResolved when it can be neither."""
    if host.startswith("/"):
        return (Address(AF_UNIX, host),)
    if not host.isascii():
        return None
    if family in (AF_UNSPEC, AF_INET) and _is_dotted_quad(host):
        # What a survey is mostly made of; getaddrinfo() takes a tenth of its time.
        return (Address(AF_INET, (host, port)),)
    try:
        return _look_up(host.encode(), port, AF_UNSPEC, kind, family, _socket.AI_NUMERICHOST)
    except _socket.gaierror:
        if not host or "\0" in host or ":" in host or "[" in host or " " in host:
            raise NotResolved(f"not a name: {host!r}") from None
        return None
    except ValueError:
        raise NotResolved(f"not a name: {host!r}") from None


def _is_dotted_quad(host: str) -> bool:
    try:
        _socket.inet_pton(AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


def addresses_of(host: str, port: int, family: int, kind: int) -> tuple[Address, ...]:
    """Looks a name up, and waits as long as the C library does; NotResolved."""
    try:
        # bytes, because getaddrinfo() loads the idna codec for any str, also for an ASCII one.
        name = host.encode() if host.isascii() else host.encode("idna")
        return _look_up(name, port, family, kind, family, 0)
    except UnicodeError as error:
        raise NotResolved(f"not a name: {host!r}") from error
    except _socket.gaierror as error:
        raise NotResolved(str(error.args[-1])) from error


def _look_up(name: bytes, port: int, ask: int, kind: int, want: int, flags: int) -> tuple[Address, ...]:
    found: Sequence[tuple[int, int, int, str, tuple[str, int]]] = _socket.getaddrinfo(name, port, ask, kind, 0, flags)  # type: ignore[assignment]  # typeshed gives a wider sockaddr than these families have
    addresses = tuple(Address(family, sockaddr) for family, _, _, _, sockaddr in found if want in (AF_UNSPEC, family))
    if not addresses:
        raise NotResolved(f"{name.decode(errors='replace')} has no address of the wanted family")
    return addresses


def source_family(source: str) -> int:
    """Returns the family of a literal source address; LocalError when it is none."""
    for family in (AF_INET, AF_INET6):
        try:
            _socket.inet_pton(family, source.partition("%")[0])
        except (OSError, ValueError):
            continue
        return family
    raise LocalError(f"Source address must be an IPv4 or IPv6 address: {printable(source)}")
