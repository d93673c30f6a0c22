"""The clients of the HTTP server: limits of their number, of their silence and of the time to read answers.

aiohttp limits neither the number of clients nor the time until a request arrives, so that thousands of idle connections
(slowloris) would use up the descriptors of the process. Here the number of clients is limited; when the limit is
reached, the client that has been silent longest is dropped. It is taken from the largest of three groups: clients with
an earlier request, such as a Prometheus that keeps its connections, clients without one, and clients during the TLS
handshake. Therefore a flood of clients of one kind displaces only clients of that kind.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

# The most seconds until the first request, until the next request on a kept connection, and with unread answers.
FIRST_REQUEST = 10.0
NEXT_REQUEST = 120.0
UNREAD = 10.0
_SWEEP = 1.0
# Bytes that the kernel may hand over at once, of which it makes twice as many. asyncio takes 256 KiB in one piece, and
# older releases of aiohttp make thousands of requests of it at once. With less, a request that is too long would meet a
# reset in place of its answer: closing a socket with bytes unread resets the connection.
_RECEIVED = 32768
# Bytes that may come before the next request begins. aiohttp bounds the lines of one, but in older releases not their
# number; and with TLS, asyncio keeps half a MiB of what is sent ahead, and hands it over in one piece.
_MOST_BYTES = 1 << 16


class _Client(asyncio.Protocol):
    """Forwards the events of a connection to aiohttp's protocol, and enforces the limits."""

    def __init__(self, clients: Clients, inner: asyncio.Protocol) -> None:
        self._clients = clients
        self._inner = inner
        self._unread: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.has_asked = False
        # Bytes that have arrived since its last request began, which may be the next request.
        self.received = 0
        self.silent_since = 0.0

    @property
    def has_more(self) -> bool:
        """Whether further requests have come, which aiohttp begins one by one; it has no public name for them."""
        return bool(getattr(self._inner, "_messages", ()))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what create_connection promises for streams
        self.transport = transport
        self._inner.connection_made(transport)
        self._clients.take(self, transport)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > _MOST_BYTES:
            self._clients.drop(self)
        else:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        self._inner.eof_received()
        # A client that has shut down its sending side may still read the answer; after the answer the connection is
        # read again, and its end is seen again. The sweep drops clients with an incomplete request. asyncio does not
        # support half-closed connections over TLS.
        return (
            bool(self.received) and self.transport is not None and self.transport.get_extra_info("sslcontext") is None
        )

    def pause_writing(self) -> None:
        if self.transport is not None:
            self._unread = asyncio.get_running_loop().call_later(UNREAD, self._clients.drop, self)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._clients.release(self)
        self._inner.connection_lost(exc)


class Clients:
    """Accepts clients on listening sockets; calls dropped() for each client that a limit makes it drop.

    make returns the protocol of a new connection, tls its TLS context, None for plain text.
    """

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        *,
        tls: Callable[[], ssl.SSLContext | None],
        dropped: Callable[[], object],
        most: int,
    ) -> None:
        self._make = make
        self._tls = tls
        self._dropped = dropped
        self._most = most
        self._loop = asyncio.get_running_loop()
        # The tasks of TLS handshakes, and the connected clients by transport.
        self._arriving: dict[asyncio.Task[None], None] = {}
        self._connected: dict[asyncio.Transport, _Client] = {}
        # The clients without a running request, the longest silent first: those without and with an earlier request.
        self._silent: tuple[dict[_Client, None], dict[_Client, None]] = {}, {}
        self._listeners: list[tuple[socket.socket, asyncio.Task[None]]] = []
        self._sweeper: asyncio.TimerHandle | None = None
        # The number of running requests, whose answers may be incomplete.
        self._busy = 0
        self._settled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._arriving) + len(self._connected)

    def listen(self, listener: socket.socket) -> None:
        """Starts to accept clients on a listening socket."""
        listener.setblocking(False)
        # The connections that it accepts inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED)
        self._listeners.append((listener, asyncio.create_task(self._accept(listener))))
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    async def stop(self) -> None:
        """Stops accepting clients."""
        for listener, task in self._listeners:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            listener.close()
        self._listeners.clear()

    async def settle(self) -> None:
        """Waits until no request is running."""
        self._settled.clear()
        if self._busy:
            await self._settled.wait()

    async def close(self) -> None:
        """Closes all connections."""
        await self.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for task in self._arriving:
            task.cancel()
        await asyncio.gather(*self._arriving, return_exceptions=True)
        for transport in list(self._connected):
            transport.abort()

    @contextmanager
    def busy(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """Protects a client whose request is running from being dropped; reads nothing more from it meanwhile."""
        client = self._connected.get(transport) if transport is not None else None  # type: ignore[call-overload]  # one that aiohttp got from us
        if client is None or client.transport is None:
            yield
            return
        client.has_asked, client.received = True, 0
        for silent in self._silent:
            silent.pop(client, None)
        # Pipelined requests wait in the kernel, not in the memory of this process (back pressure).
        client.transport.pause_reading()
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            # Deferred, because aiohttp writes the answer only after this has returned.
            self._loop.call_soon(self._settle_if_idle)
            if not client.transport.is_closing():
                if not client.has_more:
                    client.transport.resume_reading()
                self._be_silent(client)

    def _settle_if_idle(self) -> None:
        if not self._busy:
            self._settled.set()

    def take(self, client: _Client, transport: asyncio.Transport) -> None:
        """Adds a connected client."""
        self._connected[transport] = client
        self._be_silent(client)

    def release(self, client: _Client) -> None:
        """Removes a client whose connection has ended."""
        if client.transport is not None:
            self._connected.pop(client.transport, None)
        for silent in self._silent:
            silent.pop(client, None)

    def _be_silent(self, client: _Client) -> None:
        client.silent_since = self._loop.time()
        self._silent[client.has_asked][client] = None

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = await self._loop.sock_accept(listener)
            except OSError:
                # No descriptor is left, or the client has already closed the connection.
                self._make_room()
                await asyncio.sleep(0.05)
                continue
            if len(self) >= self._most and not self._make_room():
                self._dropped()
                connection.close()
                continue
            task = asyncio.create_task(self._welcome(connection))
            self._arriving[task] = None
            task.add_done_callback(lambda done: self._arriving.pop(done, None))
            # Otherwise a full backlog would be accepted at once, before any of its clients is served.
            await asyncio.sleep(0)

    async def _welcome(self, connection: socket.socket) -> None:
        tls = self._tls()
        try:
            with suppress(OSError, ConnectionError):
                await self._loop.connect_accepted_socket(
                    lambda: _Client(self, self._make()),
                    connection,
                    ssl=tls,
                    ssl_handshake_timeout=FIRST_REQUEST if tls else None,
                )
        except asyncio.CancelledError:
            connection.close()
            raise

    def _make_room(self) -> bool:
        """Drops the longest silent client of the largest group; returns whether there was one."""
        strangers, known = self._silent
        # A TLS handshake that never ends is a kind of silence, too.
        most = max(len(strangers), len(self._arriving), len(known))
        if len(strangers) == most:
            return self._drop_first(strangers)
        return self._drop_arriving() if len(self._arriving) == most else self._drop_first(known)

    def _drop_arriving(self) -> bool:
        for task in self._arriving:
            del self._arriving[task]
            task.cancel()
            self._dropped()
            return True
        return False

    def _drop_first(self, silent: dict[_Client, None]) -> bool:
        for client in silent:
            self.drop(client)
            return True
        return False

    def drop(self, client: _Client) -> None:
        """Closes the connection of a client and counts it as dropped."""
        self._dropped()
        # Removed at once and not in connection_lost(), because the clients may be counted again before that is called.
        self.release(client)
        if client.transport is not None:
            client.transport.abort()

    def _sweep(self) -> None:
        now = self._loop.time()
        for silent, patience in zip(self._silent, (FIRST_REQUEST, NEXT_REQUEST), strict=True):
            while silent and now - (client := next(iter(silent))).silent_since > patience:
                self.drop(client)
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep)
