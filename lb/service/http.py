"""The little HTTP that hands out the metrics: at most once a second they are made, and shared by all who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from noidchecks.exposition import CONTENT_TYPE

from ..guardian.lock import GuardError

_MAX_REQUEST = 8192
# Seconds for a request to come, and for each piece of the answer to be read.
_PATIENCE = 5.0
# Seconds for the whole of it.
_LONGEST = 60.0
_CLIENTS = 16
# Seconds for which a page is handed out again.
_FRESH = 1.0
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
    """Answers GET /metrics, and nothing else, on one TCP address.

    When there are too many clients, the one that has been silent for the longest time makes room.
    """

    def __init__(self, write: Callable[[], Awaitable[Sequence[bytes]]]) -> None:
        self._write = write
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        # Those that have not asked yet, in the order in which they came.
        self._silent: dict[asyncio.StreamWriter, None] = {}
        self._page: asyncio.Task[Sequence[bytes]] | None = None
        self._made = 0.0

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
        if self._page is not None:
            self._page.cancel()
            await asyncio.gather(self._page, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _CLIENTS and self._silent:
            next(iter(self._silent)).transport.abort()
        self._clients.add(writer)
        self._silent[writer] = None
        try:
            async with asyncio.timeout(_PATIENCE):
                code = 503 if len(self._clients) > 2 * _CLIENTS else await _read(reader)
            self._silent.pop(writer, None)
            async with asyncio.timeout(_LONGEST):
                code, body = await self._answer(code)
                await _send(writer, code, body)
        except (OSError, TimeoutError):
            # It went away, says nothing or does not read.
            pass
        finally:
            self._clients.discard(writer)
            self._silent.pop(writer, None)
            with suppress(RuntimeError):
                writer.transport.abort()

    async def _answer(self, code: int) -> tuple[int, Sequence[bytes]]:
        if code == 200:
            try:
                return 200, await self._current()
            except Exception:
                code = 500
        return code, (f"{_REASONS[code]}\n".encode(),)

    async def _current(self) -> Sequence[bytes]:
        """Returns the page that is being made or has just been made, or else makes one."""
        if self._page is None or (self._page.done() and asyncio.get_running_loop().time() >= self._made + _FRESH):
            self._page = asyncio.create_task(self._make())
        # A client that goes away must not end it for the others.
        return await asyncio.shield(self._page)

    async def _make(self) -> Sequence[bytes]:
        try:
            return await self._write()
        finally:
            self._made = asyncio.get_running_loop().time()


async def _send(writer: asyncio.StreamWriter, code: int, body: Sequence[bytes]) -> None:
    length = sum(map(len, body))
    allow = "Allow: GET\r\n" if code == 405 else ""
    head = f"HTTP/1.1 {code} {_REASONS[code]}\r\nContent-Type: {CONTENT_TYPE}\r\n{allow}Content-Length: {length}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode())
    for piece in body:
        writer.write(piece)
        async with asyncio.timeout(_PATIENCE):
            await writer.drain()
    async with asyncio.timeout(_PATIENCE):
        writer.close()
        await writer.wait_closed()


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
