"""An HTTP/1.1 client with pipelining (RFC 9112, 9.3.2).

Each step has one deadline, which a peer cannot extend by sending a byte from time to time: the connection with its TLS
handshake, the sending of a batch of requests, and each answer, counted from the end of the previous one. http.client
takes ten times the CPU time for a request, and a round trip for each.
"""

from __future__ import annotations

import select
import socket
import ssl
from errno import ETIMEDOUT
from time import monotonic

from ...address import AF_UNSPEC, STREAM
from ...drivers.resolver import look_up
from ...errors import ProbeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...address import Address

_LINE_LIMIT = 8192
_MOST_HEADERS = 100
_PART = 65536
_BODY_LIMIT = 1 << 20


class HttpError(OSError):
    """The peer's answer violates HTTP/1.1."""

    def __init__(self, words: str) -> None:
        super().__init__(0, words)


class Connection:
    """A connection over TLS; raises OSError for all failures, timeouts included.

    timeout is the seconds that each step may take.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float) -> None:
        self._timeout = timeout
        self._restart()
        plain = self._connected(host, port)
        try:
            plain.settimeout(self._left())
            self._socket = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        # TCP_NODELAY sends small writes at once; a batch is one write.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self.is_open = True

    def ask(self, requests: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
        """Sends complete requests and yields status and body of each answer.

        It ends early when an answer says that the peer closes the connection.
        """
        self._restart()
        data = memoryview(b"".join(requests))
        while data:
            self._socket.settimeout(self._left())
            data = data[self._socket.send(data[:_PART]) :]
        for _ in requests:
            self._restart()
            yield self._answer()
            if not self.is_open:
                return

    def is_usable(self) -> bool:
        """Tells whether the peer has neither closed the connection nor announced that."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        # No answer is outstanding, so readable data can only be the end of the connection.
        return self.is_open and not self._received and not self._socket.pending() and not poll.poll(0)

    def close(self) -> None:
        """Closes the connection."""
        self.is_open = False
        self._socket.close()

    def _restart(self) -> None:
        self._deadline = monotonic() + self._timeout

    def _left(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError(ETIMEDOUT, f"no answer after {self._timeout:g} seconds")
        return left

    def _connected(self, host: str, port: int) -> socket.socket:
        try:
            addresses = self._addresses(host, port)
        except ProbeError as error:
            raise OSError(0, error.message) from error
        for number, address in enumerate(addresses, 1):
            plain = socket.socket(address.family, socket.SOCK_STREAM)
            try:
                # A silent address leaves an equal share of the time to each of the next ones.
                plain.settimeout(self._left() / (len(addresses) - number + 1))
                plain.connect(address.sockaddr)
            except OSError:
                plain.close()
                if number == len(addresses):
                    raise
            else:
                return plain
        raise HttpError(f"{host} has no address")

    def _addresses(self, host: str, port: int) -> tuple[Address, ...]:
        asked = look_up(host, port, AF_UNSPEC, STREAM)
        try:
            answer = select.poll()
            answer.register(asked.fileno(), select.POLLIN)
            if not answer.poll(self._left() * 1000):
                raise TimeoutError(ETIMEDOUT, f"{host} is not resolved after {self._timeout:g} seconds")
            addresses: tuple[Address, ...] = asked.result()
        finally:
            asked.close()
        return addresses

    def _receive(self) -> bytes:
        self._socket.settimeout(self._left())
        return self._socket.recv(_PART)

    def _answer(self) -> tuple[int, bytes]:
        line = self._line()
        version, _, rest = line.partition(b" ")
        code = rest[:3]
        if not version.startswith(b"HTTP/1.") or not code.isdigit():
            raise HttpError("the answer is not HTTP")
        headers = self._headers()
        if version == b"HTTP/1.0" or headers.get(b"connection", b"").lower() == b"close":
            self.is_open = False
        return int(code), self._body(headers)

    def _headers(self) -> dict[bytes, bytes]:
        headers: dict[bytes, bytes] = {}
        for _ in range(_MOST_HEADERS):
            line = self._line()
            if not line:
                return headers
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        raise HttpError("the answer has too many headers")

    def _body(self, headers: dict[bytes, bytes]) -> bytes:
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            return self._chunks()
        length = headers.get(b"content-length")
        if length is not None:
            return self._exactly(_number(length, 10))
        # The body ends with the connection.
        self.is_open = False
        while len(self._received) <= _BODY_LIMIT and (part := self._receive()):
            self._received += part
        return self._taken(min(len(self._received), _BODY_LIMIT))

    def _chunks(self) -> bytes:
        body = b""
        while size := _number(self._line().partition(b";")[0].strip(), 16):
            body += self._exactly(size)
            self._line()
            if len(body) > _BODY_LIMIT:
                raise HttpError("the answer is too long")
        self._headers()
        return body

    def _exactly(self, length: int) -> bytes:
        if length > _BODY_LIMIT:
            raise HttpError("the answer is too long")
        while len(self._received) < length:
            self._more()
        return self._taken(length)

    def _line(self) -> bytes:
        while (end := self._received.find(b"\n", 0, _LINE_LIMIT)) < 0:
            if len(self._received) >= _LINE_LIMIT:
                raise HttpError("the answer has too long a line")
            self._more()
        return self._taken(end + 1).rstrip(b"\r\n")

    def _more(self) -> None:
        part = self._receive()
        if not part:
            raise HttpError("the connection was closed")
        self._received += part

    def _taken(self, length: int) -> bytes:
        data, self._received = self._received[:length], self._received[length:]
        return data


def _number(text: bytes, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise HttpError("the answer has no proper length")
    return number
