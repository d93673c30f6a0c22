"""The control socket of a running guardian: requests and answers, each one line of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from noidchecks.status.text import printable

from ..config.load import MAX_SIZE
from ..errors import GuardError
from ..events import Event, EventLog, concerns, to_dict
from .paced import Slice
from .protocol import Answer, Request, RequestError, Written

# The longest request holds a configuration of 16 MiB, of which JSON escapes quotes and ends of lines.
MAX_REQUEST = 2 * MAX_SIZE + 1024
_CLIENTS = 64
_IDLE = 10.0
# Bytes of events that may wait for a client with follow, more than those of 10,000 backends; one that does not read is
# dropped after _IDLE.
_UNREAD = 64 << 20

Answering: TypeAlias = Callable[[Request], Awaitable[Answer | Written]]


class ControlServer:
    """Answers requests on a Unix socket of mode 0660.

    A request with follow is answered with the last events, and then with each new one.
    """

    def __init__(self, path: Path, answer: Answering, events: EventLog, *, idle: float = _IDLE) -> None:
        self._path = path
        self._answer = answer
        self._events = events
        self._idle = idle
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._inode: tuple[int, int] | None = None

    async def open(self) -> None:
        """Begins to listen, and replaces the stale socket of a guardian that was killed; GuardError."""
        try:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, sock=self._listen(), limit=MAX_REQUEST)
        except OSError as error:
            # Python's own complaint about a path that is too long has no strerror.
            why = error.strerror or str(error)
            raise GuardError(f"the control socket {self._path} cannot be made: {why}; --socket names another") from None

    async def close(self) -> None:
        """Closes all connections and removes the socket."""
        if self._server is None:
            return
        self._server.close()
        for client in self._clients:
            client.transport.abort()
        with suppress(OSError):
            found = self._path.lstat()
            # The socket at the path may already be that of a later guardian.
            if (found.st_dev, found.st_ino) == self._inode:
                self._path.unlink()

    def _listen(self) -> socket.socket:
        self._remove_stale()
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # By the umask, the socket has its mode from the beginning; before a chmod(), other users could connect.
        before = os.umask(0o117)
        try:
            made.bind(str(self._path))
        except OSError:
            made.close()
            raise
        finally:
            os.umask(before)
        found = self._path.lstat()
        self._inode = found.st_dev, found.st_ino
        made.setblocking(False)
        return made

    def _remove_stale(self) -> None:
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise GuardError(f"{self._path} is there and is no socket: --socket names another place")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.setblocking(False)
            try:
                asking.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink()
                return
            except BlockingIOError:
                pass
        raise GuardError(f"another guardian answers on {self._path}: --socket names another place")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            if len(self._clients) > _CLIENTS:
                await _send(writer, _refusal(f"more than {_CLIENTS} clients at a time", 2))
                return
            while await self._exchange(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.CancelledError):
            # The client is gone or does not read, or the guardian ends: Python 3.11 prints a traceback then.
            pass
        finally:
            self._clients.discard(writer)
            # An answer that could not be sent in time is discarded.
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request, and returns whether the connection stays open for another one."""
        try:
            line = await asyncio.wait_for(reader.readline(), self._idle)
        except TimeoutError:
            return False
        except ValueError:
            await _send(writer, _refusal(f"the request is longer than {MAX_REQUEST} bytes"))
            return False
        if not line.endswith(b"\n"):
            return False
        answer: Answer | Written
        try:
            request = _parse(line)
            if request.get("do") == "events" and request.get("follow") is True:
                await self._follow(request, reader, writer)
                return False
            answer = _agreed(await self._answer(request))
        except RequestError as error:
            answer = _refusal(str(error), error.exit_code)
        except Exception as error:
            answer = _refusal(f"internal error: {type(error).__name__}: {error}", 2)
        await _send(writer, answer)
        return True

    async def _follow(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unread: asyncio.Queue[Event | None] = asyncio.Queue()
        farm, backend = request.get("farm"), request.get("backend")
        waiting = 0

        def take(event: Event) -> None:
            nonlocal waiting
            if concerns(event, farm, backend):
                waiting += _size(event)
                unread.put_nowait(event)

        async def hang_up() -> None:
            # A client that closes the connection with data unread resets it.
            with suppress(OSError):
                await reader.read(1)
            unread.put_nowait(None)

        self._events.subscribe(take)
        gone = asyncio.create_task(hang_up())
        try:
            await _send(writer, _agreed(await self._answer(request)))
            while (event := await unread.get()) is not None:
                if waiting > _UNREAD:
                    await _send(writer, _refusal(f"more than {_UNREAD} bytes of events were left unread", 2))
                    return
                waiting -= _size(event)
                await _send(writer, {"event": to_dict(event)})
        finally:
            self._events.unsubscribe(take)
            gone.cancel()


def _size(event: Event) -> int:
    """Returns the approximate size of an event in bytes; encoding it to measure takes as long as sending it."""
    return 200 + len(event.reason) + sum(map(len, event.transcript))


def _parse(line: bytes) -> dict[str, object]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError("the request is not one line of JSON") from None
    if not isinstance(request, dict):
        raise RequestError("the request is not a JSON object")
    return request


def _refusal(text: str, code: int = 3) -> Answer:
    return {"ok": False, "code": code, "error": printable(text)}


def _agreed(answer: Answer | Written) -> Answer | Written:
    return answer if isinstance(answer, Written) else {"ok": True, **answer}


async def _send(writer: asyncio.StreamWriter, answer: Answer | Written) -> None:
    pieces = answer.pieces if isinstance(answer, Written) else (json.dumps(answer).encode() + b"\n",)
    # drain() does not pause for a client that reads as fast as this writes.
    slice_ = Slice()
    for piece in pieces:
        writer.write(piece)
        await asyncio.wait_for(writer.drain(), _IDLE)
        await slice_.pause()
