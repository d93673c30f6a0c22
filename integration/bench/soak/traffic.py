"""The clients of the soak: sessions that begin at a steady pace, and sessions that are held open, in one process."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

from integration.bench.load import working
from integration.bench.soak.backends import PAUSE
from integration.lab.namespace import Namespace

GRAIN = 0.05
"""Seconds from one session to the next."""
# Longer than a busy machine lets a server wait for its turn.
PATIENCE = 60.0
NO_FARM = ""
"""Of a visit that is none, but the time in which the process of the clients did not run."""
HELD = 6
"""Sessions with each entrance of the steady farm that are held open; each says a word a second."""
_WORD = b"NOOP\r\n"
_PAUSE = 1.0
_RESET = struct.pack("ii", 1, 0)

Entrance = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Visit:
    """A session: of which farm, its times, the client's port, and the address that greeted it or what was wrong.

    One that was held has its last two words as times.
    """

    farm: str
    begin: float
    end: float
    port: int
    address: str = ""
    wrong: str = ""
    is_held: bool = False


@dataclass(slots=True)
class _Session:
    socket: socket.socket
    entrance: Entrance
    begin: float
    is_held: bool = False
    address: str = ""
    port: int = 0
    due: float = field(default=float("inf"))
    asked: bool = False


@contextmanager
def traffic(
    client: Namespace, steady: Sequence[Entrance], others: Sequence[Entrance]
) -> Iterator[Callable[[], list[Visit]]]:
    """Runs the clients, half of them those of the steady farm; yields what returns the sessions that have ended."""
    with working(client, 1, _visit, list(steady), list(others)) as (pipe,):

        def ended() -> list[Visit]:
            found: list[Visit] = []
            while pipe.poll():
                found += pipe.recv()
            return found

        yield ended


def _visit(pipe: Connection, _: int, steady: Sequence[Entrance], others: Sequence[Entrance]) -> None:
    clients = _Clients()
    turn, due = 0, time.monotonic()
    for entrance in steady:
        for _ in range(HELD):
            clients.begin(entrance, is_held=True)
    told = now = due
    while True:
        before, now = now, time.monotonic()
        if now - before > PAUSE:
            clients.ended.append(Visit(NO_FARM, before, now, 0, wrong="paused"))
        if now >= due:
            due = max(due + GRAIN, now)
            some = others if turn % 2 else steady
            clients.begin(some[turn // 2 % len(some)])
            turn += 1
        clients.work(max(0.0, due - time.monotonic()))
        if now - told > 0.5:
            told = now
            clients.look_at_the_clock(now)
            pipe.send(clients.ended)
            clients.ended = []


class _Clients:
    def __init__(self) -> None:
        self.ended: list[Visit] = []
        self._selector = DefaultSelector()
        self._again: list[Entrance] = []

    def begin(self, entrance: Entrance, *, is_held: bool = False) -> None:
        _, host, port = entrance
        one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        session = _Session(one, entrance, time.monotonic(), is_held)
        code = one.connect_ex((host, port))
        session.port = one.getsockname()[1]
        if code not in (0, errno.EINPROGRESS):
            self._end(session, errno.errorcode.get(code, str(code)), registered=False)
            return
        self._selector.register(one, EVENT_WRITE, session)

    def work(self, seconds: float) -> None:
        for key, mask in self._selector.select(seconds):
            session: _Session = key.data
            if mask & EVENT_WRITE:
                if code := session.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self._end(session, errno.errorcode.get(code, str(code)))
                else:
                    self._selector.modify(session.socket, EVENT_READ, session)
            else:
                self._read(session)

    def look_at_the_clock(self, now: float) -> None:
        """Ends the sessions that have waited for too long, and lets those that are held say their words."""
        again, self._again = self._again, []
        for entrance in again:
            self.begin(entrance, is_held=True)
        for key in [*self._selector.get_map().values()]:
            session: _Session = key.data
            if session.is_held and session.address:
                if session.asked and now - session.begin > PATIENCE:
                    self._end(session, "no answer to a word")
                elif not session.asked and now >= session.due:
                    session.begin, session.asked = now, True
                    try:
                        session.socket.send(_WORD)
                    except OSError as error:
                        self._end(session, errno.errorcode.get(error.errno or 0, str(error)))
            elif now - session.begin > PATIENCE:
                self._end(session, "no greeting")

    def _read(self, session: _Session) -> None:
        try:
            said = session.socket.recv(512)
        except OSError as error:
            self._end(session, errno.errorcode.get(error.errno or 0, str(error)))
            return
        if not said:
            self._end(session, "closed")
        elif not session.address:
            session.address = said.split()[1].decode()
            if session.is_held:
                session.due = time.monotonic() + _PAUSE
            else:
                self._end(session, "")
        else:
            session.asked, session.due = False, time.monotonic() + _PAUSE

    def _end(self, session: _Session, wrong: str, *, registered: bool = True) -> None:
        if registered:
            self._selector.unregister(session.socket)
        session.socket.close()
        farm, now = session.entrance[0], time.monotonic()
        self.ended.append(Visit(farm, session.begin, now, session.port, session.address, wrong, session.is_held))
        if session.is_held:
            self._again.append(session.entrance)
