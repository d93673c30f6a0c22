"""Load for the farms: connections by the ten thousand and streams of bytes, made and served by processes of Python."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, Literal, TypeAlias

from integration.lab.namespace import Namespace

GREETING = b"220 ready\r\n"
SLOW = 0.9
"""Seconds; a connection that takes longer had a packet lost, which is sent again after one second."""
# Closing with it sends a reset: TIME_WAIT on either side would stall the next connection from that port.
_RESET = struct.pack("ii", 1, 0)
_PIECE = 1 << 20
# Enough to outlive every client that still waits for its greeting.
_KEPT = 1000
_STARTING = 0.1

Address: TypeAlias = tuple[str, int]
Kind = Literal["handshake", "greeting", "stream"]
_context = get_context("fork")


@dataclass(slots=True)
class Outcome:
    """What a load came to: how many connections or bytes, what they cost, and what went wrong how often.

    `cpu` is in seconds, of the processes on all sides. Over veth it holds what the kernels on the way did, too, because
    a packet is carried to its end by who sends it.
    """

    done: int = 0
    cpu: float = 0.0
    wrong: Counter[str] = field(default_factory=Counter)


@contextmanager
def listening(namespaces: Sequence[Namespace], port: int) -> Iterator[list[socket.socket]]:
    """Listens on a port of each namespace; who serves it is to be said."""
    with ExitStack() as opened:
        listeners = []
        for namespace in namespaces:
            with namespace.entered():
                listeners.append(opened.enter_context(socket.socket()))
            listeners[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listeners[-1].bind(("", port))
            listeners[-1].listen(4096)
        yield listeners


@contextmanager
def serving(kind: Kind, listeners: Sequence[socket.socket]) -> Iterator[list[int]]:
    """Serves what load() of that kind asks for, with a process for each listener, whose ids it yields.

    For handshakes the kernel alone is enough: it answers, and hands over no connection that says nothing.
    """
    for listener in listeners:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60 if kind == "handshake" else 0)
    if kind == "handshake":
        yield []
        return
    serve = _greet if kind == "greeting" else _stream
    processes = [_context.Process(target=serve, args=(listener,), daemon=True) for listener in listeners]
    for process in processes:
        process.start()
    try:
        yield [process.pid for process in processes if process.pid]
    finally:
        for process in processes:
            process.kill()
            process.join()


def load(
    kind: Kind, client: Namespace, targets: Sequence[Address], seconds: float, workers: int, others: Sequence[int] = ()
) -> Outcome:
    """Has processes connect to the targets in turn, or read streams, for so long; others are at work for them."""
    begin = time.monotonic() + _STARTING
    run = _read if kind == "stream" else _connect
    with working(client, workers, run, kind, targets, begin, begin + seconds) as outcomes:
        found = Outcome(cpu=-sum(map(_cpu, others)))
        for pipe in outcomes:
            done, cpu, wrong = pipe.recv()
            found.done += done
            found.cpu += cpu
            found.wrong += wrong
        found.cpu += sum(map(_cpu, others))
    return found


@contextmanager
def working(client: Namespace, workers: int, run: Callable[..., None], *given: Any) -> Iterator[list[Connection]]:
    """Runs a function in processes of the client, each with a pipe, whose other end is yielded, and its number."""
    pipes, processes = [], []
    for number in range(workers):
        here, there = _context.Pipe()
        processes.append(_context.Process(target=run, args=(there, number, *given), daemon=True))
        pipes.append(here)
        with client.entered():
            processes[-1].start()
        there.close()
    try:
        yield pipes
    finally:
        for process in processes:
            process.kill()
            process.join()


def connect(target: Address, *, greeting: bool) -> str:
    """Makes one connection and resets it; returns "" or what was wrong."""
    begin = time.monotonic()
    # Blocking: over veth the handshake is over before connect() would go to sleep, and epoll only costs.
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        try:
            connection.connect(target)
            if greeting and connection.recv(64) != GREETING:
                return "closed without a greeting"
        except OSError as error:
            return os.strerror(error.errno or 0)
    return "slow" if time.monotonic() - begin > SLOW else ""


def _connect(pipe: Connection, number: int, kind: Kind, targets: Sequence[Address], begin: float, end: float) -> None:
    if kind == "handshake":
        _pin(number)
    done, wrong = 0, Counter[str]()
    first = number % len(targets)
    addresses = cycle((*targets[first:], *targets[:first]))
    time.sleep(max(0.0, begin - time.monotonic()))
    cpu = time.thread_time()
    while time.monotonic() < end:
        if trouble := connect(next(addresses), greeting=kind == "greeting"):
            wrong[trouble] += 1
        else:
            done += 1
    pipe.send((done, time.thread_time() - cpu, wrong))


def _read(pipe: Connection, number: int, _: Kind, targets: Sequence[Address], begin: float, end: float) -> None:
    # Where reader and sender share a core by chance, and where not, the figures are twice as far apart.
    _pin(0)
    done = 0
    buffer = bytearray(_PIECE)
    time.sleep(max(0.0, begin - time.monotonic()))
    cpu = time.thread_time()
    with socket.create_connection(targets[number % len(targets)]) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        while (now := time.monotonic()) < end:
            count = connection.recv_into(buffer)
            if not count:
                break
            done += count
    cpu = time.thread_time() - cpu
    pipe.send((done, cpu, Counter[str]() if now >= end else Counter({"stream ended": 1})))


def _cpu(pid: int) -> float:
    """Returns the CPU seconds of a process, in the kernel's own unit instead of ticks."""
    # clock_getcpuclockid(3), which Python lacks.
    return time.clock_gettime(~pid << 3 | 2)


def _pin(number: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})


def _greet(listener: socket.socket) -> None:
    kept: deque[socket.socket] = deque(maxlen=_KEPT)
    while True:
        try:
            connection, _ = listener.accept()
            connection.send(GREETING)
        except OSError:
            # The client may be gone already.
            continue
        # What falls out at the other end is closed.
        kept.append(connection)


def _stream(listener: socket.socket) -> None:
    _pin(1)
    while True:
        connection, _ = listener.accept()
        Thread(target=_send, args=(connection,), daemon=True).start()


def _send(connection: socket.socket) -> None:
    piece = bytes(_PIECE)
    with connection:
        try:
            while True:
                connection.sendall(piece)
        except OSError:
            # The client has read enough.
            return
