"""New sessions, begun one after the other at a steady pace: when each of them was begun, and when it was answered.

No session is tried again by us: what a client waits for is the service, and the retransmissions of its own kernel.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from selectors import EVENT_READ, DefaultSelector

from integration.bench.load import SLOW, working
from integration.lab.namespace import Namespace

GRAIN = 0.02
"""Seconds from one session to the next, which is how fine a gap can be seen."""
PATIENCE = 4.0
TFTP = 69


@dataclass(frozen=True, slots=True)
class Sample:
    """What became of the sessions with one host: pairs of begin and answer; without one where none ever came."""

    sessions: tuple[tuple[float, float | None], ...]

    @property
    def gap(self) -> float:
        """The longest time in which no session was answered, in seconds."""
        answers = sorted(answered for _, answered in self.sessions if answered is not None)
        return max(later - earlier for earlier, later in pairwise(answers))

    @property
    def slowest(self) -> float:
        """The longest time that a session which was answered had to wait, in seconds."""
        return max(answered - begun for begun, answered in self.sessions if answered is not None)

    @property
    def lost(self) -> int:
        """How many had to send again, or got no answer."""
        return sum(answered is None or answered - begun > SLOW for begun, answered in self.sessions)


@contextmanager
def sampling(client: Namespace, hosts: Sequence[str], port: int) -> Iterator[list[Sample]]:
    """Begins sessions with each host while the caller does something; the list holds the samples afterwards."""
    samples: list[Sample] = []
    with working(client, len(hosts), _begin_sessions, hosts, port) as pipes:
        yield samples
        for pipe in pipes:
            pipe.send(None)
        samples += [Sample(pipe.recv()) for pipe in pipes]


def _begin_sessions(pipe: Connection, number: int, hosts: Sequence[str], port: int) -> None:
    found: list[tuple[float, float | None]] = []
    waiting: dict[int, tuple[socket.socket, float]] = {}
    selector = DefaultSelector()

    def take(seconds: float) -> None:
        for key, _ in selector.select(max(0.0, seconds)):
            one, begun = waiting.pop(key.fd)
            found.append((begun, time.monotonic() if _is_answered(one) else None))
            selector.unregister(one)
            one.close()

    due = time.monotonic()
    while not pipe.poll():
        if (now := time.monotonic()) >= due:
            due = max(due + GRAIN, now)
            one = _begin(hosts[number], port)
            waiting[one.fileno()] = one, now
            selector.register(one, EVENT_READ)
        take(due - time.monotonic())
    end = time.monotonic() + PATIENCE
    while waiting and (left := end - time.monotonic()) > 0:
        take(left)
    pipe.send((*found, *((begun, None) for _, begun in waiting.values())))


def _begin(host: str, port: int) -> socket.socket:
    one = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM if port == TFTP else socket.SOCK_STREAM
    )
    one.setblocking(False)
    if port == TFTP:
        one.sendto(b"\0\1name\0octet\0", (host, port))
    else:
        one.connect_ex((host, port))
    return one


def _is_answered(one: socket.socket) -> bool:
    """Takes a greeting or the first block."""
    try:
        said, peer = one.recvfrom(600)
        if one.type is socket.SOCK_DGRAM:
            # It is the only block: the server is done, and sends it no second time.
            one.sendto(b"\0\4\0\1", peer)
    except OSError:
        return False
    return said[:2] == b"\0\3" if one.type is socket.SOCK_DGRAM else said != b""
