"""A server for benchmarks: greets every connection like an FTP server and hangs up when it hears QUIT."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

GREETING = b"220 Bench FTP ready\r\n"


def _serve(announce: Connection, core: int, greeting: bytes) -> None:
    os.sched_setaffinity(0, {core})
    listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
    listener.setblocking(False)
    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    announce.send(listener.getsockname()[1])
    while True:
        for fd, _ in epoll.poll():
            if fd != listener.fileno():
                # QUIT, end or reset: the check is over.
                clients.pop(fd).close()
                continue
            while True:
                try:
                    client, _ = listener.accept()
                except BlockingIOError:
                    break
                if greeting:
                    client.send(greeting)
                clients[client.fileno()] = client
                epoll.register(client.fileno(), select.EPOLLIN)


@contextmanager
def greeter(core: int, greeting: bytes = GREETING) -> Iterator[int]:
    """Runs the server on one core in a process of its own; an empty greeting makes it silent. Yields its port."""
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, core, greeting), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()
