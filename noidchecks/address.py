"""Addresses of peers, as the kernel takes them."""

from __future__ import annotations

# _socket, not socket: the wrapper imports selectors and enum, which cost as much as a bare interpreter start.
import _socket

from .value import Value

AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX = _socket.AF_UNSPEC, _socket.AF_INET, _socket.AF_INET6, _socket.AF_UNIX
STREAM, DATAGRAM = _socket.SOCK_STREAM, _socket.SOCK_DGRAM
# sun_path holds 108 bytes, the last one for the NUL.
UNIX_PATH_LIMIT = 107


class Address(Value):
    """Where a peer is: family AF_INET, AF_INET6 or AF_UNIX, and the socket address that the kernel takes."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | str

    def __init__(self, family: int, sockaddr: tuple[str, int] | tuple[str, int, int, int] | str) -> None:
        self._fill({"family": family, "sockaddr": sockaddr})

    @property
    def host(self) -> str:
        """The numeric host, or the path of a unix socket."""
        return self.sockaddr if isinstance(self.sockaddr, str) else self.sockaddr[0]

    @property
    def port(self) -> int:
        """The port; 0 for a unix socket."""
        return 0 if isinstance(self.sockaddr, str) else self.sockaddr[1]

    def __str__(self) -> str:
        if self.family == AF_UNIX:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
