"""A minimal HTTP server for the metrics and the status page: a few read-only paths, one request per connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from noidchecks.status.text import printable

from ..errors import GuardError
from .paced import Slice

_MAX_REQUEST = 8192
_MAX_SENTENCE = 300
# Seconds within which a client must send its request, and read each piece of the answer.
_PATIENCE = 5.0
# Seconds for making and sending the whole answer.
_LONGEST = 60.0
# With this number of clients, a new one displaces one that the server waits for. Beyond twice as many, it gets a 503.
_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Document:
    """The response to a request for a path: header fields, and the body in pieces."""

    headers: Mapping[str, str]
    pieces: Sequence[bytes]


# Makes the document of a path from the query string; GuardError when it is unavailable at the moment.
Route: TypeAlias = Callable[[str], Awaitable[Document]]
# Called with the request and the exception when making a document has failed.
Report: TypeAlias = Callable[[str, Exception], object]


@dataclass(frozen=True, slots=True)
class _Request:
    """A parsed request; code is the HTTP status that follows from its head alone."""

    code: int
    path: str = ""
    query: str = ""
    is_head: bool = False


class MetricsServer:
    """Answers GET and HEAD for the paths of its routes, and nothing else, on one TCP address.

    With too many clients, a new one displaces the client for which the server has waited longest: one that does not
    send its request, or does not read its answer.
    """

    def __init__(self, routes: Mapping[str, Route], report: Report) -> None:
        self._routes = routes
        self._report = report
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        # The clients for which the server waits, the longest wait first.
        self._awaited: dict[asyncio.StreamWriter, None] = {}

    async def open(self, host: str, port: int) -> None:
        """Begins to listen; GuardError."""
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=_MAX_REQUEST)
        except OSError as error:
            raise GuardError(f"metrics cannot be served on {host} port {port}: {error.strerror or error}") from None

    @property
    def port(self) -> int:
        """The listening port, or 0 when closed."""
        return self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else 0

    async def close(self) -> None:
        """Closes the listening socket and all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in self._clients:
            client.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _CLIENTS and self._awaited:
            slowest = next(iter(self._awaited))
            slowest.transport.abort()
            # Removed here: many clients may connect before its own task removes it, and would get a 503.
            self._clients.discard(slowest)
            del self._awaited[slowest]
        self._clients.add(writer)
        self._awaited[writer] = None
        try:
            async with asyncio.timeout(_PATIENCE):
                request = _Request(503) if len(self._clients) > 2 * _CLIENTS else await _read(reader)
            self._awaited.pop(writer, None)
            async with asyncio.timeout(_LONGEST):
                await self._send(writer, *await self._answer(request), is_head=request.is_head)
        except (OSError, TimeoutError, asyncio.CancelledError):
            # The client has gone, sends nothing or reads nothing; or the guardian ends: Python 3.11 prints a traceback
            # for a client's task that was cancelled.
            pass
        finally:
            self._clients.discard(writer)
            self._awaited.pop(writer, None)
            with suppress(RuntimeError):
                writer.transport.abort()

    async def _answer(self, request: _Request) -> tuple[int, Document]:
        """Returns the HTTP status and the document for a request."""
        code, sentence = request.code, ""
        if code == 200:
            route = self._routes.get(request.path)
            try:
                if route is not None:
                    return 200, await route(request.query)
                code = 404
            except GuardError as error:
                code, sentence = 503, printable(str(error), _MAX_SENTENCE)
            except Exception as defect:
                code = 500
                self._report(f"GET {request.path}", defect)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if code == 405:
            headers["Allow"] = "GET, HEAD"
        return code, Document(headers, (f"{sentence or HTTPStatus(code).phrase}\n".encode(),))

    async def _send(self, writer: asyncio.StreamWriter, code: int, document: Document, *, is_head: bool) -> None:
        fields = {**document.headers, "Content-Length": str(sum(map(len, document.pieces)))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\n{head}Connection: close\r\n\r\n".encode())
        # drain() does not pause for a client that reads as fast as this writes.
        slice_ = Slice()
        for piece in () if is_head else document.pieces:
            writer.write(piece)
            await self._wait_for(writer, writer.drain())
            await slice_.pause()
        writer.close()
        await self._wait_for(writer, writer.wait_closed())

    async def _wait_for(self, writer: asyncio.StreamWriter, step: Awaitable[None]) -> None:
        """Waits until a client has read; meanwhile, new clients may displace it."""
        self._awaited[writer] = None
        async with asyncio.timeout(_PATIENCE):
            await step
        self._awaited.pop(writer, None)


async def _read(reader: asyncio.StreamReader) -> _Request:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return _Request(400)
    except asyncio.LimitOverrunError:
        return _Request(431)
    words = head.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return _Request(400)
    if words[0] not in (b"GET", b"HEAD"):
        return _Request(405)
    path, _, query = words[1].decode(errors="replace").partition("?")
    return _Request(200, path, query, words[0] == b"HEAD")
