"""The little HTTP that hands out the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..guardian.lock import GuardError
from .metrics import CONTENT_TYPE

_MAX_REQUEST = 8192
_PATIENCE = 5.0
_CLIENTS = 16
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class MetricsServer:
    """Answers GET /metrics, and nothing else, on one TCP address."""

    def __init__(self, write: Callable[[], Awaitable[str]]) -> None:
        self._write = write
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def open(self, host: str, port: int) -> None:
        """Begins to listen; GuardError."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=_MAX_REQUEST)
        except OSError as error:
            raise GuardError(f"metrics cannot be served on {host} port {port}: {error.strerror or error}") from None

    @property
    def port(self) -> int:
        """The port that is listened on, or 0."""
        return self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else 0

    async def close(self) -> None:
        """Hangs up."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in self._clients:
            client.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            async with asyncio.timeout(_PATIENCE):
                code = 503 if len(self._clients) > _CLIENTS else await _read(reader)
            code, body = await self._answer(code)
            head = f"HTTP/1.1 {code} {_REASONS[code]}\r\nContent-Type: {CONTENT_TYPE}\r\n"
            allow = "Allow: GET\r\n" if code == 405 else ""
            writer.write(f"{head}{allow}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            async with asyncio.timeout(_PATIENCE):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError):
            # It went away, says nothing or does not read.
            pass
        finally:
            self._clients.discard(writer)
            with suppress(RuntimeError):
                writer.transport.abort()

    async def _answer(self, code: int) -> tuple[int, bytes]:
        if code == 200:
            try:
                return 200, (await self._write()).encode()
            except Exception:
                code = 500
        return code, f"{_REASONS[code]}\n".encode()


async def _read(reader: asyncio.StreamReader) -> int:
    """Reads a request and returns the status that it deserves."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return 400
    except asyncio.LimitOverrunError:
        return 431
    words = head.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return 400
    if words[0] != b"GET":
        return 405
    return 200 if words[1].partition(b"?")[0] == b"/metrics" else 404
