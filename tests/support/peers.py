"""Peers on loopback that play a script with every client: TCP or unix sockets, in a thread of their own."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Self, TypeAlias

from tests.support.waiting import LONG, until

_LINGER_NOT = struct.pack("ii", 1, 0)


class Client:
    """One accepted connection: its socket, and what it has sent so far."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.received = b""

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def receive(self, limit: int = 65536) -> bytes:
        data = await asyncio.get_running_loop().sock_recv(self.socket, limit)
        self.received += data
        return data


Act: TypeAlias = Callable[[Client], Awaitable[object]]
Step: TypeAlias = bytes | float | Act


def drip(data: bytes, gap: float = 0.0) -> Act:
    """Sends one byte at a time, gap seconds apart."""

    async def act(client: Client) -> None:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            await client.send(bytes([byte]))
            await asyncio.sleep(gap)

    return act


def endless(data: bytes) -> Act:
    """Sends the data again and again, as fast as it is taken."""

    async def act(client: Client) -> None:
        while True:
            await client.send(data)

    return act


def await_text(text: bytes) -> Act:
    """Reads until the text has come, or the client is gone."""

    async def act(client: Client) -> None:
        while text not in client.received and await client.receive():
            pass

    return act


def take(size: int, gap: float = 0.0) -> Act:
    """Reads until so many bytes have come, in small parts, gap seconds apart."""

    async def act(client: Client) -> None:
        while len(client.received) < size:
            if not await client.receive(65536):
                return
            await asyncio.sleep(gap)

    return act


async def reset(client: Client) -> None:
    """Resets the connection."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    client.socket.close()


async def close(client: Client) -> None:
    """Closes the connection."""
    client.socket.close()


async def half_close(client: Client) -> None:
    """Ends the sending, and goes on reading."""
    client.socket.shutdown(socket.SHUT_WR)


async def silent(client: Client) -> None:
    """Neither sends nor reads."""
    await asyncio.sleep(LONG)


class Peer:
    """A listener on port 0 that plays its script with every client; close() ends all of it.

    A step is bytes to send, a number of seconds to wait, or an act. After the last step the peer reads until the
    client closes. clients holds all that came, connected how many are there now, most how many there ever were at
    once, times when they came (monotonic).
    """

    def __init__(self, *script: Step, host: str = "127.0.0.1") -> None:
        self.clients: list[Client] = []
        self.times: list[float] = []
        self.connected = 0
        self.most = 0
        self.host = host
        self._script = script
        self._listener = _listen(host)
        self.port: int = 0 if host.startswith("/") else self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._playing: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def received(self) -> list[bytes]:
        """What each client has sent so far."""
        return [client.received for client in self.clients]

    def settle(self, seconds: float = LONG) -> None:
        """Waits until every client is gone, those too that were not accepted before, or fails."""
        until(lambda: not self._is_busy(), seconds, lambda: f"{self.connected} clients are still there")

    def _is_busy(self) -> bool:
        if not self._thread.is_alive():
            return self.connected > 0
        answer: Future[bool] = Future()

        def look() -> None:
            # Here, where nobody is between the queue of the listener and those that are counted.
            answer.set_result(self.connected > 0 or bool(select.select([self._listener], [], [], 0)[0]))

        self._loop.call_soon_threadsafe(look)
        return answer.result(LONG)

    def close(self) -> None:
        """Closes the listener and all connections, and ends the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        # Not sock_accept(), which loses a connection that comes while it is cancelled.
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listener, self._accept)
        try:
            await self._over.wait()
        finally:
            loop.remove_reader(self._listener)
            self._listener.close()
            for task in self._playing:
                task.cancel()
            await asyncio.gather(*self._playing, return_exceptions=True)
            for client in self.clients:
                client.socket.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            # Gone again, before it was taken.
            return
        sock.setblocking(False)
        self.times.append(time.monotonic())
        self.clients.append(Client(sock))
        self.connected += 1
        self.most = max(self.most, self.connected)
        task = self._loop.create_task(self._play(self.clients[-1]))
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)

    async def _play(self, client: Client) -> None:
        sock = client.socket
        try:
            with sock:
                for step in self._script:
                    if isinstance(step, bytes):
                        await client.send(step)
                    elif callable(step):
                        await step(client)
                    else:
                        await asyncio.sleep(step)
                while sock.fileno() >= 0 and await client.receive():
                    pass
        except OSError:
            # The client has left in the middle of it.
            pass
        finally:
            self.connected -= 1


def unused_port(host: str = "127.0.0.1", kind: int = socket.SOCK_STREAM) -> int:
    """Returns a port on which nobody listens."""
    with socket.socket(_family(host), kind) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def _family(host: str) -> int:
    if host.startswith("/"):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _listen(host: str) -> socket.socket:
    listener = socket.socket(_family(host), socket.SOCK_STREAM)
    listener.setblocking(False)
    # Small, so that a peer that does not read stops its sender soon.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    listener.bind(host if host.startswith("/") else (host, 0))
    listener.listen(4096)
    return listener
