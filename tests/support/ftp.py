"""An FTP server on loopback that misbehaves as told: each command can be given another answer or act."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Self, TypeAlias

from tests.support.waiting import LONG

_LINGER_NOT = struct.pack("ii", 1, 0)

Answer: TypeAlias = "bytes | Callable[[FtpSession], Awaitable[object]]"


class FtpSession:
    """One client of the server: its control connection, and the data connection that is being made."""

    def __init__(self, server: FtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.argument = ""
        self.is_over = False
        self.listener: socket.socket | None = None
        self.target: tuple[str, int] | None = None

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def serve(self) -> None:
        try:
            await self._answer("greeting")
            while not self.is_over and (line := await self.reader.readline()):
                text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
                self.server.commands.append(text)
                verb, _, self.argument = text.partition(" ")
                await self._answer(verb)
        except OSError:
            # The client has left in the middle of it.
            pass
        finally:
            if self.listener is not None:
                self.listener.close()
            self.writer.close()

    async def _answer(self, verb: str) -> None:
        answer = self.server.answers.get(verb, getattr(FtpSession, f"_{verb.lower()}", b"502 not known\r\n"))
        if isinstance(answer, bytes):
            await self.send(answer)
        else:
            await answer(self)

    async def _auth(self) -> None:
        await self.send(b"234 go\r\n")
        await self.writer.start_tls(self.server.context)

    async def _epsv(self) -> None:
        port = self.open_port()
        await self.send(f"229 Extended Passive Mode (|||{port}|)\r\n".encode())

    async def _pasv(self) -> None:
        port = self.open_port()
        await self.send(f"227 Passive Mode (127,0,0,1,{port >> 8},{port & 255})\r\n".encode())

    async def _port(self) -> None:
        *quads, high, low = self.argument.split(",")
        self.target = ".".join(quads), int(high) * 256 + int(low)
        await self.send(b"200 ok\r\n")

    async def _eprt(self) -> None:
        _, _, host, port, _ = self.argument.split("|")
        self.target = host, int(port)
        await self.send(b"200 ok\r\n")

    async def _list(self) -> None:
        await self.give(b"-rw-r--r-- 1 ftp ftp 14 Jan  1 00:00 hello.txt\r\n")

    async def _nlst(self) -> None:
        await self.give(b"".join(name.encode() + b"\r\n" for name in (".", *self.server.files)))

    async def _retr(self) -> None:
        content = self.server.files.get(self.argument)
        if content is None:
            await self.send(b"550 no such file\r\n")
        else:
            await self.give(content)

    async def _stor(self) -> None:
        await self.send(b"150 go\r\n")
        reader, writer = await self.connect()
        self.server.files[self.argument] = await reader.read()
        writer.close()
        await self.send(b"226 stored\r\n")

    async def _dele(self) -> None:
        found = self.server.files.pop(self.argument, None)
        await self.send(b"550 no such file\r\n" if found is None else b"250 gone\r\n")

    async def _quit(self) -> None:
        self.is_over = True
        await self.send(b"221 bye\r\n")

    _greeting, _user, _pass = b"220 ready\r\n", b"331 password\r\n", b"230-welcome\r\n 230 not yet\r\n230 in\r\n"
    _type, _pbsz, _prot, _mdtm = b"200 ok\r\n", b"200 ok\r\n", b"200 ok\r\n", b"213 20200101000000\r\n"

    def open_port(self) -> int:
        """Listens for the next data connection."""
        if self.listener is not None:
            self.listener.close()
        self.target = None
        host = self.server.host
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.setblocking(False)
        self.listener.bind((host, 0))
        self.listener.listen()
        port: int = self.listener.getsockname()[1]
        return port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Makes the data connection, in the way that was asked for."""
        context = self.server.context if self.server.protects else None
        if self.target is not None:
            sock = socket.socket(socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, self.target)
        else:
            assert self.listener is not None
            sock, _ = await asyncio.get_running_loop().sock_accept(self.listener)
        # Whoever connects, the server is the server of TLS.
        loop = asyncio.get_running_loop()
        made: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = loop.create_future()
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(), lambda *both: made.set_result(both))
        await loop.connect_accepted_socket(lambda: protocol, sock, ssl=context)
        return await made

    async def give(self, content: bytes, final: bytes = b"226 done\r\n") -> None:
        """Sends the content over a data connection."""
        await self.send(b"150 here it comes\r\n")
        _, writer = await self.connect()
        ssl_object = writer.get_extra_info("ssl_object")
        if ssl_object is not None:
            self.server.resumed.append(ssl_object.session_reused)
        writer.write(content)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await self.send(final)


class FtpServer:
    """A server in a thread of its own; answers replaces what it says to a verb, or at the greeting.

    files are by name, commands all that came, resumed tells of each protected data connection whether its TLS session
    was taken up again.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        answers: Mapping[str, Answer] | None = None,
        certificate: Path | None = None,
        *,
        implicit: bool = False,
    ) -> None:
        self.host = host
        self.answers = dict(answers or {})
        self.files: dict[str, bytes] = {"hello.txt": b"Hello, world.\n"}
        self.commands: list[str] = []
        self.resumed: list[bool] = []
        self.protects = certificate is not None
        self.is_implicit = implicit
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate is not None:
            self.context.load_cert_chain(certificate)
        self.port = 0
        self._ready = threading.Event()
        self._over: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self._ready.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server and all of its connections."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join()

    def await_command(self, start: str, seconds: float = LONG) -> bool:
        """Waits for a command that begins so, and tells whether it came."""
        limit = time.monotonic() + seconds
        while not any(command.startswith(start) for command in self.commands):
            if time.monotonic() > limit:
                return False
            time.sleep(0.002)
        return True

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)
        playing: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            playing.add(task)
            await FtpSession(self, reader, writer).serve()

        server = await asyncio.start_server(serve, self.host, 0, ssl=self.context if self.is_implicit else None)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


async def drop(session: FtpSession) -> None:
    """Closes the control connection."""
    session.is_over = True


async def reset(session: FtpSession) -> None:
    """Resets the control connection."""
    session.is_over = True
    sock = session.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    session.writer.transport.abort()


async def silence(session: FtpSession) -> None:
    """Says nothing."""


async def reset_data(session: FtpSession, pause: float = 0.0) -> None:
    """Begins a transfer, resets its data connection, and after a pause in seconds says so."""
    await session.send(b"150 here it comes\r\n")
    _, writer = await session.connect()
    writer.write(b"Hel")
    await writer.drain()
    await asyncio.sleep(0.05)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
    await asyncio.sleep(pause)
    await session.send(b"426 broken off\r\n")


def give(content: bytes, final: bytes = b"226 done\r\n") -> Callable[[FtpSession], Awaitable[object]]:
    """Sends this content, and ends the transfer with this reply."""

    async def act(session: FtpSession) -> None:
        await session.give(content, final)

    return act
