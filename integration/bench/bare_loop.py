"""One epoll loop that makes the guardian's probes and nothing else: what no guardian in Python can go below.

It starts each probe at its beat, reads the greeting, sends QUIT and closes; it judges nothing and keeps no deadline.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from heapq import heapify, heapreplace

from noidlb.guardian.schedule import phase

QUIT = b"QUIT\r\n"
# Starts between two looks at the sockets, as in the guardian.
BURST = 8


def run(addresses: Sequence[tuple[str, int]], interval: float, warm: float, seconds: float) -> dict[str, float]:
    """Probes each address once an interval; returns CPU in percent of a core, greatest delay and median time in ms."""
    epoll = select.epoll()
    now = time.monotonic()
    queue = [(now + phase(number) * interval, number) for number in range(len(addresses))]
    heapify(queue)
    running: dict[int, tuple[socket.socket, float]] = {}
    times: list[float] = []
    latest, count = 0.0, 0
    begin, end = now + warm, now + warm + seconds
    cpu = None
    while (now := time.monotonic()) < end:
        if cpu is None and now >= begin:
            cpu, latest, count = time.process_time(), 0.0, 0
            times.clear()
        for _ in range(BURST):
            due, number = queue[0]
            if due > now:
                break
            heapreplace(queue, (due + interval, number))
            latest = max(latest, now - due)
            count += 1
            _start(addresses[number], epoll, running)
            now = time.monotonic()
        for fd, _ in epoll.poll(max(0.0, queue[0][0] - now)):
            one, began = running.pop(fd)
            _end(one)
            times.append(time.monotonic() - began)
    assert cpu is not None
    times.sort()
    return {
        "cpu": 100 * (time.process_time() - cpu) / seconds,
        "latest": 1000 * latest,
        "started": count,
        "p50": 1000 * times[len(times) // 2],
    }


def _start(address: tuple[str, int], epoll: select.epoll, running: dict[int, tuple[socket.socket, float]]) -> None:
    one = socket.socket()
    one.setblocking(False)
    began = time.monotonic()
    one.connect_ex(address)
    epoll.register(one.fileno(), select.EPOLLIN)
    running[one.fileno()] = one, began


def _end(one: socket.socket) -> None:
    one.recv(1024)
    one.send(QUIT)
    one.close()
