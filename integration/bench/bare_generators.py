"""FTP checks by generators on epoll and nothing more: the limit of what `survey()` can reach in Python.

The same system calls and the same status line, without validated settings, deadlines, phases, look-ups, TLS or results.
Arguments: port, timeout (not kept) and concurrency; hosts on standard input.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
from collections.abc import Generator, Iterator
from time import monotonic


def check(host: str, port: int) -> Generator[int, None, tuple[str, str]]:
    """Yields the descriptor to wait for; returns the state and the status line."""
    began = monotonic()
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if sock.connect_ex((host, port)) not in (0, errno.EINPROGRESS):
            return "CRITICAL", "FTP CRITICAL"
        data = b""
        while not data.endswith(b"\n"):
            yield sock.fileno()
            data += sock.recv(1024)
        state = "OK" if data.startswith(b"220 ") else "WARNING"
        sock.send(b"QUIT\r\n")
    finally:
        sock.close()
    took = monotonic() - began
    text = f"FTP {state} - {took:.3f} second response time on {host} port {port} [{data.decode().strip()}]"
    return state, f"{text}|time={took:.6f}s;;;0.000000;10.000000"


def run(checks: Iterator[Generator[int, None, tuple[str, str]]], concurrency: int) -> Iterator[tuple[str, str]]:
    """Runs the checks, at most concurrency at once, and yields what they return."""
    epoll = select.epoll()
    waiting: dict[int, Generator[int, None, tuple[str, str]]] = {}
    more = True
    while more or waiting:
        ready = [(fd, waiting.pop(fd)) for fd, _ in epoll.poll(0 if more and len(waiting) < concurrency else -1)]
        if more and len(waiting) < concurrency:
            one = next(checks, None)
            more = one is not None
            ready += [] if one is None else [(-1, one)]
        for before, generator in ready:
            try:
                fd = next(generator)
            except StopIteration as stop:
                yield stop.value
                continue
            waiting[fd] = generator
            (epoll.modify if fd == before else epoll.register)(fd, select.EPOLLIN)


def main() -> None:
    """Prints how many checks ended in each state, and two zeros where the bench's program has times."""
    port, concurrency = int(sys.argv[1]), int(sys.argv[3])
    states: dict[str, int] = {}
    for state, _ in run((check(host.strip(), port) for host in sys.stdin), concurrency):
        states[state] = states.get(state, 0) + 1
    print(states, 0, 0)
