"""HTTP/1.1 requests one after the other on a connection, without waiting for each answer (RFC 9112, 9.3.2).

http.client takes ten times the CPU for a request, and waits a round trip for each.
"""

from __future__ import annotations

import select
import socket
import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

_LINE_LIMIT = 8192
_MOST_HEADERS = 100
_BODY_LIMIT = 1 << 20


class HttpError(OSError):
    """The peer does not answer as HTTP/1.1 has it."""

    def __init__(self, words: str) -> None:
        super().__init__(0, words)


class Connection:
    """A connection over TLS; OSError for everything that goes wrong, time-outs included."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float) -> None:
        plain = socket.create_connection((host, port), timeout=timeout)
        try:
            self._socket = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        # What is small is to go at once: a batch is one write.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream: BinaryIO = self._socket.makefile("rb")
        self.is_open = True

    def ask(self, requests: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
        """Sends whole requests and yields status and body of each answer.

        It ends early when the peer says that it closes the connection; which it does may depend on an answer.
        """
        self._socket.sendall(b"".join(requests))
        for _ in requests:
            yield self._answer()
            if not self.is_open:
                return

    def is_usable(self) -> bool:
        """Tells whether the peer has neither closed the connection nor said that it would."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        # Nothing was asked: whatever can be read is the end.
        return self.is_open and not poll.poll(0)

    def close(self) -> None:
        """Closes it."""
        self.is_open = False
        self._stream.close()
        self._socket.close()

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
        # Ended by the end of the connection.
        self.is_open = False
        return self._stream.read(_BODY_LIMIT)

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
        data = self._stream.read(length) if length <= _BODY_LIMIT else b""
        if len(data) < length:
            raise HttpError("the answer is too long" if length > _BODY_LIMIT else "the connection was closed")
        return data

    def _line(self) -> bytes:
        line = self._stream.readline(_LINE_LIMIT)
        if not line.endswith(b"\n"):
            raise HttpError("the answer has too long a line" if line else "the connection was closed")
        return line.rstrip(b"\r\n")


def _number(text: bytes, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise HttpError("the answer has no proper length")
    return number
