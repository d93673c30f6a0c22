"""The backends of the soak: one process that answers at the addresses of all of them, and fails by turns as each."""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from multiprocessing import get_context
from multiprocessing.connection import Connection

from integration.lab.namespace import Namespace

PORT = 21
KINDS = ("reset", "closed", "silent")
"""What a backend that fails does with a connection."""
_RESET = struct.pack("ii", 1, 0)
_LOOK = 0.05
PAUSE = 0.5
"""Seconds from which on a turn of the loop shows that the machine is too busy for the process."""


@dataclass(slots=True)
class Report:
    """What has happened since the last report.

    spoiled are the ports of clients that were failed, and when; pauses the times in which the process did not run.
    """

    accepted: int = 0
    failures: int = 0
    recoveries: int = 0
    spoiled: list[tuple[int, float]] = field(default_factory=list)
    pauses: list[tuple[float, float]] = field(default_factory=list)


class Backends:
    """Tells the process what to do."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def flap(self) -> None:
        """Lets the backends fail and recover by turns."""
        self._pipe.send("flap")

    def freeze(self) -> None:
        """Leaves each as it is, failed or not."""
        self._pipe.send("freeze")

    def calm(self) -> None:
        """Lets none fail."""
        self._pipe.send("calm")

    def fail_all(self) -> None:
        """Lets all of those fail that may."""
        self._pipe.send("fail")

    def report(self) -> Report:
        """Returns what has happened since it was called last."""
        self._pipe.send("report")
        found = self._pipe.recv()
        assert isinstance(found, Report)
        return found


@contextmanager
def backends(
    servers: Namespace, flapping: Sequence[str], balancer: str, up: float, down: float, seed: int
) -> Iterator[Backends]:
    """Runs the process; up and down are the mean seconds between two changes, balancer the address of its probes."""
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, flapping, balancer, up, down, seed), daemon=True)
    with servers.entered():
        process.start()
    try:
        here.recv()
        yield Backends(here)
    finally:
        process.kill()
        process.join()


class _Flaps:
    """Which of the backends fail at the moment, and how."""

    def __init__(self, addresses: Sequence[str], up: float, down: float, seed: int) -> None:
        self.failing: dict[str, str] = {}
        self._chance = random.Random(seed)
        self._up, self._down = up, down
        self._frozen: float | None = time.monotonic()
        self._due = [(self._frozen + self._chance.expovariate(1 / up), address) for address in addresses]
        heapify(self._due)

    def obey(self, word: str, report: Report) -> None:
        now = time.monotonic()
        if word == "flap" and self._frozen is not None:
            # The time for which they were frozen does not count.
            self._due = [(due + now - self._frozen, address) for due, address in self._due]
            self._frozen = None
        elif word in ("freeze", "calm", "fail") and self._frozen is None:
            self._frozen = now
        if word == "calm":
            report.recoveries += len(self.failing)
            self.failing.clear()
        elif word == "fail":
            report.failures += len(self._due) - len(self.failing)
            for _, address in self._due:
                self.failing.setdefault(address, self._chance.choice(KINDS))

    def turn(self, report: Report) -> None:
        """Lets those change whose time it is."""
        now = time.monotonic()
        while self._frozen is None and self._due[0][0] <= now:
            due, address = self._due[0]
            if self.failing.pop(address, None) is None:
                self.failing[address] = self._chance.choice(KINDS)
                report.failures += 1
                mean = self._down
            else:
                report.recoveries += 1
                mean = self._up
            heapreplace(self._due, (due + self._chance.expovariate(1 / mean), address))


def _serve(pipe: Connection, flapping: Sequence[str], balancer: str, up: float, down: float, seed: int) -> None:
    epoll = select.epoll()
    listeners = {one.fileno(): one for one in (_listener(socket.AF_INET), _listener(socket.AF_INET6))}
    for number in (*listeners, pipe.fileno()):
        epoll.register(number, select.EPOLLIN)
    flaps, report = _Flaps(flapping, up, down, seed), Report()
    clients: dict[int, socket.socket] = {}
    silent: set[int] = set()
    pipe.send("ready")
    turned = time.monotonic()
    while True:
        before, turned = turned, time.monotonic()
        if turned - before > PAUSE:
            report.pauses.append((before, turned))
        for number, _ in epoll.poll(_LOOK):
            if number == pipe.fileno():
                if (word := pipe.recv()) == "report":
                    pipe.send(report)
                    report = Report()
                else:
                    flaps.obey(word, report)
            elif number in listeners:
                with suppress(BlockingIOError):
                    while True:
                        client, peer = listeners[number].accept()
                        report.accepted += 1
                        if _greet(client, peer[:2], balancer, flaps.failing, report, silent):
                            clients[client.fileno()] = client
                            epoll.register(client.fileno(), select.EPOLLIN)
            elif not _answer(clients[number], is_silent=number in silent):
                silent.discard(number)
                clients.pop(number).close()
        flaps.turn(report)


def _listener(family: socket.AddressFamily) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", PORT))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def _greet(
    client: socket.socket,
    peer: tuple[str, int],
    balancer: str,
    failing: dict[str, str],
    report: Report,
    silent: set[int],
) -> bool:
    """Greets, or fails as the backend that was asked for does; returns whether the connection stays open."""
    address = client.getsockname()[0]
    kind = failing.get(address)
    if kind is not None and peer[0] != balancer:
        report.spoiled.append((peer[1], time.monotonic()))
    if kind == "silent":
        silent.add(client.fileno())
        return True
    try:
        if kind == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        elif kind is None:
            client.sendall(f"220 {address} ready\r\n".encode())
            return True
    except OSError:
        # The client is gone already.
        pass
    client.close()
    return False


def _answer(client: socket.socket, *, is_silent: bool) -> bool:
    """Sends back what was said, or a goodbye; returns whether the connection stays open."""
    try:
        said = client.recv(512)
        if said and not is_silent:
            client.sendall(b"221 bye\r\n" if said.startswith(b"QUIT") else said)
    except OSError:
        return False
    return bool(said) and not said.startswith(b"QUIT")
