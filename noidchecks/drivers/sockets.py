"""Non-blocking sockets, whose errors are translated into the errors of the project."""

from __future__ import annotations

# _socket, not socket: the wrapper imports selectors and enum, which cost as much as a bare interpreter start.
import _socket
import errno
import os
import select

from ..address import AF_INET, AF_INET6, AF_UNIX, DATAGRAM, STREAM, Address
from ..errors import LocalError, NotConnected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue import stream_operations

# Values from linux/in.h and linux/in6.h; Python 3.11 to 3.13 do not define these constants.
_IP_RECVERR = 11
_IPV6_RECVERR = 25

WAIT_READ, WAIT_WRITE = 1, 4  # POLLIN and POLLOUT, which are EPOLLIN and EPOLLOUT too

_OURS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EADDRINUSE))
# Codes that a refused connection never has: the peer accepted and has reset since, and what it sent can still be read.
_LOST_SINCE = frozenset((errno.ECONNRESET, errno.EPIPE))
_IN_PROGRESS = frozenset((errno.EINPROGRESS, errno.EINTR))


class WouldBlock(Exception):
    """The operation has to wait until fd is ready for events."""

    def __init__(self, fd: int, events: int) -> None:
        self.fd = fd
        self.events = events


class Channel:
    """One open socket; every method raises WouldBlock when it has to wait, NotConnected when the peer is gone.

    is_internal is true when the other end is a process of this program, not a peer. is_quiet is true after a connect or
    a send until the next attempt to receive: the answer can hardly be there yet, so that attempt waits before recv().
    """

    __slots__ = ("address", "is_quiet", "_socket")
    is_internal = False

    def __init__(self, sock: _socket.socket, address: Address | None) -> None:
        self.address = address
        self.is_quiet = False
        self._socket = sock

    def fileno(self) -> int:
        """The descriptor."""
        return self._socket.fileno()

    def connect(self, address: Address) -> None:
        """Begins to connect to the address."""
        code = self._socket.connect_ex(address.sockaddr)
        if code in _IN_PROGRESS:
            # On a connection to this machine the handshake is complete when connect() returns, despite EINPROGRESS.
            self.connected()
            return
        self._check(code)

    def connected(self) -> None:
        """Completes what connect() began."""
        self.is_quiet = True
        try:
            self._socket.getpeername()
        except OSError:
            code = self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
            if code == errno.EACCES:
                raise _prohibited(self.address) from None
            if code not in _LOST_SINCE:
                self._check(code)
                raise WouldBlock(self._socket.fileno(), WAIT_WRITE) from None

    def send(self, data: bytes) -> int:
        """Sends as much of the data as the kernel takes; returns the number of bytes."""
        self.is_quiet = True
        try:
            return self._socket.send(data, _socket.MSG_NOSIGNAL)
        except BlockingIOError:
            raise WouldBlock(self._socket.fileno(), WAIT_WRITE) from None
        except OSError as error:
            raise _lost(error, self.address) from error

    def be_patient(self, patience: float | None) -> None:
        """Raises WouldBlock once after a send, when an answer can hardly have arrived, unless patience is 0."""
        if self.is_quiet:
            self.is_quiet = False
            if patience is None or patience > 0:
                raise WouldBlock(self._socket.fileno(), WAIT_READ)

    def receive(self, limit: int) -> bytes:
        """Receives 1..limit bytes; returns b"" at the end of the stream."""
        try:
            return self._socket.recv(limit)
        except BlockingIOError:
            raise WouldBlock(self._socket.fileno(), WAIT_READ) from None
        except OSError as error:
            raise _lost(error, self.address) from error

    def send_to(self, data: bytes, address: Address) -> None:
        """Sends one datagram."""
        self.is_quiet = True
        try:
            self._socket.sendto(data, _socket.MSG_NOSIGNAL, address.sockaddr)
        except BlockingIOError:
            raise WouldBlock(self._socket.fileno(), WAIT_WRITE) from None
        except OSError as error:
            if error.errno == errno.EPERM or _is_ours(error.errno or 0, address):
                raise LocalError(f"cannot send to {address}: {error.strerror}") from error
            raise self._rejected(error, address) from error

    def receive_from(self, limit: int) -> tuple[bytes, Address]:
        """Receives one datagram, cut to limit bytes, and its source address."""
        try:
            data, sockaddr = self._socket.recvfrom(limit)
        except BlockingIOError:
            raise WouldBlock(self._socket.fileno(), WAIT_READ) from None
        except OSError as error:
            raise self._rejected(error, None) from error
        return data, Address(self._socket.family, sockaddr)

    def accept(self) -> Channel:
        """Accepts a connection on a listening socket."""
        try:
            fd, sockaddr = self._socket._accept()  # type: ignore[attr-defined]  # what socket.accept() itself calls
        except BlockingIOError:
            raise WouldBlock(self._socket.fileno(), WAIT_READ) from None
        except OSError as error:
            raise LocalError(f"cannot accept a connection: {error.strerror}") from error
        sock = _socket.socket(self._socket.family, STREAM, 0, fd)
        sock.setblocking(False)
        return Channel(sock, Address(self._socket.family, sockaddr))

    def local_address(self) -> Address:
        """Returns the address of this end."""
        try:
            return Address(self._socket.family, self._socket.getsockname())
        except OSError as error:
            raise _lost(error, self.address) from error

    def end(self) -> None:
        """Closes the socket after its work is done; close() also serves a check that ends early."""
        self.close()

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _check(self, code: int) -> None:
        if _is_ours(code, self.address):
            raise LocalError(f"cannot connect to {self.address}: {os.strerror(code)}")
        if code:
            raise NotConnected(os.strerror(code), code, self.address)

    def _rejected(self, error: OSError, address: Address | None) -> NotConnected:
        # The error queue names the destination that the ICMP message was about. Reading it also empties it; until then
        # the socket polls as readable.
        try:
            _, _, _, sockaddr = self._socket.recvmsg(512, 512, _socket.MSG_ERRQUEUE)
        except OSError:
            return _lost(error, address)
        address = Address(self._socket.family, sockaddr)
        return _prohibited(address) if error.errno == errno.EACCES else _lost(error, address)


def own(channel: stream_operations.Channel) -> Channel:
    """Returns the channel of an operation with the type of this driver, which opened it."""
    return channel  # type: ignore[return-value]  # a dialogue has no others


class Watch:
    """A descriptor that is readable while one of several channels is, because a session waits for one descriptor."""

    __slots__ = ("_epoll",)

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        try:
            self._epoll = select.epoll(len(channels))
        except OSError as error:
            raise LocalError(f"cannot wait for several connections: {error.strerror}") from error
        for channel in channels:
            self._epoll.register(channel.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """The descriptor."""
        return self._epoll.fileno()

    def close(self) -> None:
        """Closes the descriptor but not the channels."""
        self._epoll.close()


def ready(channels: tuple[Channel, ...]) -> Channel | None:
    """Returns the first channel with data, a connection to accept, an error or the end of its stream, or None."""
    poll = select.poll()
    for channel in channels:
        poll.register(channel.fileno(), WAIT_READ)
    found = {fd for fd, _ in poll.poll(0)}
    return next((channel for channel in channels if channel.fileno() in found), None)


def open_stream(address: Address, source: str) -> Channel:
    """Returns an unconnected stream socket for the address, bound to the source address if one is given."""
    # A source address without a scope gets the scope of the destination.
    scope = int(address.sockaddr[3]) if address.family == AF_INET6 else 0  # type: ignore[misc]  # it has four fields
    return Channel(_open(address.family, STREAM, source, scope), address)


def open_listener(address: Address, ports: tuple[int, int]) -> Channel:
    """Returns a socket that listens on the first free port of the range; its address has the port chosen."""
    host, rest = address.sockaddr[0], address.sockaddr[2:]
    error = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    for port in range(ports[0], ports[1] + 1):
        sock = _open(address.family, STREAM, "")
        # Closed connections of earlier checks occupy the port for a minute (TIME_WAIT). bind() still fails where
        # another socket listens.
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port, *rest))
            sock.listen(1)
        except OSError as failure:
            sock.close()
            error = failure
            if failure.errno not in (errno.EADDRINUSE, errno.EACCES):
                break
        else:
            return Channel(sock, Address(address.family, sock.getsockname()))
    raise LocalError(f"cannot listen on {address.host}: {error.strerror}")


def open_datagram(family: int, source: str) -> Channel:
    """Returns a datagram socket that reports ICMP errors (IP_RECVERR), bound to the source address if one is given."""
    sock = _open(family, DATAGRAM, source)
    if family == AF_INET6:
        sock.setsockopt(_socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        sock.setsockopt(_socket.IPPROTO_IP, _IP_RECVERR, 1)
    return Channel(sock, None)


def _open(family: int, kind: int, source: str, scope: int = 0) -> _socket.socket:
    try:
        sock = _socket.socket(family, kind | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC)
    except OSError as error:
        raise LocalError(f"cannot open a socket: {error.strerror}") from error
    if source and family in (AF_INET, AF_INET6):
        try:
            sock.bind(_source(family, source, scope))
        except OSError as error:
            sock.close()
            reason = "no such interface" if isinstance(error, _socket.gaierror) else error.strerror
            raise LocalError(f"cannot use source address {source}: {reason}") from error
    elif source and family == AF_UNIX:
        sock.close()
        raise LocalError("a unix socket has no source address")
    return sock


def _is_ours(code: int, address: Address | None) -> bool:
    """Returns whether this machine causes the failure; False without an IPv6 address, as without a route."""
    if code == errno.EADDRNOTAVAIL and address is not None and address.family == AF_INET6:
        return _has_source(address)
    return code in _OURS


def _has_source(address: Address) -> bool:
    """Returns whether this machine has a source address for the address; then EADDRNOTAVAIL means a lack of ports."""
    # A UDP socket takes no TCP port, and its connect() sends nothing.
    sock = _open(address.family, DATAGRAM, "")
    try:
        return sock.connect_ex(address.sockaddr) == 0
    finally:
        sock.close()


def _source(family: int, source: str, scope: int) -> tuple[str, int] | tuple[str, int, int, int]:
    if family == AF_INET:
        return source, 0
    # bind() takes the scope only from the address tuple, not from the text.
    _, _, _, _, sockaddr = _socket.getaddrinfo(source.encode(), 0, family, STREAM, 0, _socket.AI_NUMERICHOST)[0]
    host, _, _, own = sockaddr  # type: ignore[misc]  # what the family AF_INET6 has
    return str(host), 0, 0, int(own) or scope


def _lost(error: OSError, address: Address | None) -> NotConnected:
    code = error.errno or 0
    return NotConnected(os.strerror(code) if code else str(error), code, address)


def _prohibited(address: Address | None) -> NotConnected:
    """Returns the error for ICMPv6 "administratively prohibited", which Linux reports as EACCES.

    A firewall on the path or of the peer sends it. The error gets the code that the same message has over IPv4; EACCES
    is left for what this machine itself refuses at once.
    """
    return NotConnected(os.strerror(errno.EACCES), errno.EHOSTUNREACH, address)
