"""The clients of the HTTP server: how many there may be, and how long one may be silent or leave its answers unread.

aiohttp has neither a limit of clients nor one for the time that a request may take to come, so thousands of half-open
connections would use up the descriptors of the process. Here each client has a place; when there is none left, the one
that has been silent for the longest time makes room: of those that have asked before, such as a Prometheus that keeps
its connections, of those that have not, or of those that still shake hands, whichever are most. So a flood of each kind
pushes out its own.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

# Seconds for a request to come, for a connection that is kept to be used again, and for an answer to be read on.
FIRST_REQUEST = 10.0
NEXT_REQUEST = 120.0
UNREAD = 10.0
_SWEEP = 1.0
# Bytes that the kernel may hand over at once, of which it makes twice as many. asyncio takes 256 KiB in one piece, and
# older releases of aiohttp make thousands of requests of it at once.
_RECEIVED = 8192


class _Client(asyncio.Protocol):
    """Hands all that happens on a connection to aiohttp's own protocol, and sees to the limits."""

    def __init__(self, clients: Clients, inner: asyncio.Protocol) -> None:
        self._clients = clients
        self._inner = inner
        self._unread: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.has_asked = False
        # Whether something has come since its last request began, which may be the next one.
        self.is_asking = False
        self.silent_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what create_connection promises for streams
        self.transport = transport
        self._inner.connection_made(transport)
        self._clients.take(self, transport)

    def data_received(self, data: bytes) -> None:
        self.is_asking = True
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        self._inner.eof_received()
        # Who sends no more may still read the answer; behind it the connection is read on, and comes to its end again.
        # For half a request the sweep comes. With TLS, asyncio knows no half of a connection.
        return self.is_asking and self.transport is not None and self.transport.get_extra_info("sslcontext") is None

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
    """Accepts clients on listening sockets; dropped is called for each that is hung up on.

    make returns the protocol of one more connection, tls what secures it, None for nothing.
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
        # Those that still shake hands, and those that are connected, by their transport.
        self._arriving: dict[asyncio.Task[None], None] = {}
        self._connected: dict[asyncio.Transport, _Client] = {}
        # Those without a request under way, the one that has been silent longest first: never asked, asked before.
        self._silent: tuple[dict[_Client, None], dict[_Client, None]] = {}, {}
        self._listeners: list[tuple[socket.socket, asyncio.Task[None]]] = []
        self._sweeper: asyncio.TimerHandle | None = None
        # Requests under way, whose answers may be half written.
        self._busy = 0
        self._settled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._arriving) + len(self._connected)

    def listen(self, listener: socket.socket) -> None:
        """Accepts on a listening socket from now on."""
        listener.setblocking(False)
        # The connections that it accepts inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED)
        self._listeners.append((listener, asyncio.create_task(self._accept(listener))))
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    async def stop(self) -> None:
        """Accepts no more clients."""
        for listener, task in self._listeners:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            listener.close()
        self._listeners.clear()

    async def settle(self) -> None:
        """Waits until no request is under way."""
        self._settled.clear()
        if self._busy:
            await self._settled.wait()

    async def close(self) -> None:
        """Hangs up on everybody."""
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
        """Keeps the place of a client whose request is under way; nothing more is read from it meanwhile."""
        client = self._connected.get(transport) if transport is not None else None  # type: ignore[call-overload]  # one that aiohttp got from us
        if client is None or client.transport is None:
            yield
            return
        client.has_asked, client.is_asking = True, False
        for silent in self._silent:
            silent.pop(client, None)
        # Requests that it sends ahead of the answers wait in the kernel, not in our memory.
        client.transport.pause_reading()
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            # aiohttp writes the answer when this has returned.
            self._loop.call_soon(self._settle_if_idle)
            if not client.transport.is_closing():
                client.transport.resume_reading()
                self._be_silent(client)

    def _settle_if_idle(self) -> None:
        if not self._busy:
            self._settled.set()

    def take(self, client: _Client, transport: asyncio.Transport) -> None:
        """Gives a client its place."""
        self._connected[transport] = client
        self._be_silent(client)

    def release(self, client: _Client) -> None:
        """Takes the place of a client that is gone."""
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
                # No descriptor is left, or the client is gone again.
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
            # A full queue of connections would otherwise be accepted in one go, before any of them is served.
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
        """Hangs up on the client of the largest group that has been silent longest, and tells whether there was one."""
        strangers, known = self._silent
        # A handshake that never ends is the silence of a client over TLS.
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
        """Hangs up on a client."""
        self._dropped()
        # At once, and not when the loop has told it: the next one counts places before that.
        self.release(client)
        if client.transport is not None:
            client.transport.abort()

    def _sweep(self) -> None:
        now = self._loop.time()
        for silent, patience in zip(self._silent, (FIRST_REQUEST, NEXT_REQUEST), strict=True):
            while silent and now - (client := next(iter(silent))).silent_since > patience:
                self.drop(client)
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep)
