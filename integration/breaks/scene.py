"""Where a failure is provoked: a backend of the lab, spare servers on it, and the register of all failures."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from integration.certificates import Certificates
from integration.lab import Backend, Lab
from integration.lab.faults import disk
from integration.lab.servers import Place, Server
from integration.lb.balance import Balance

PATIENCE = 60.0
REPORT = b"x" * 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The port of the backend on which the server is, and what words of the page mean here.

    `farm` is the protocol of the farm before it, where that is not the plugin's; `mode` and `state` are as in its file.
    """

    port: int
    words: Mapping[str, str | Path] = field(default_factory=dict)
    farm: str | None = None
    mode: str = "snat"
    state: str = "up"


Stages = Generator[Where, None, None]
"""First the healthy state, then the sick one."""
Provoke = Callable[["Scene"], Stages]

FAILURES: dict[tuple[str, str], Provoke] = {}


def breaks(section: str, failure: str) -> Callable[[Provoke], Provoke]:
    """Registers a function that provokes the failure of a row: what it yields first is healthy, then sick.

    When it is closed it makes everything as it was.
    """

    def register(provoke: Provoke) -> Provoke:
        assert (section, failure) not in FAILURES
        FAILURES[section, failure] = provoke
        return provoke

    return register


class Scene:
    """A backend, on which spare servers may be started and broken."""

    def __init__(self, lab: Lab, balance: Balance, certificates: Certificates) -> None:
        self.lab = lab
        self.balance = balance
        self.certificates = certificates
        self.backend: Backend = lab.backends[0]
        self.files = self.backend.files

    def folder(self, name: str) -> Path:
        """Makes an empty folder that servers may read."""
        return self.backend.place(name).folder

    @contextmanager
    def server(self, start: Callable[[Place], Server]) -> Iterator[Server]:
        """Runs one more server on the backend."""
        server = start(self.backend.place("spare"))
        try:
            server.wait()
            yield server
        finally:
            server.kill()

    @contextmanager
    def file(self, name: str, content: bytes) -> Iterator[Path]:
        """Serves one more file."""
        path = self.files / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def held(self, port: int, greeting: bytes, count: int = 1) -> Iterator[None]:
        """Holds connections that the server has greeted, and does nothing on them."""
        with ExitStack() as opened:
            for _ in range(count):
                opened.enter_context(self._greeted(port, greeting))
            yield

    def _greeted(self, port: int, greeting: bytes) -> socket.socket:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with self.lab.balancer.entered():
                connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            connection.settimeout(PATIENCE)
            connection.connect((self.backend.address(4), port))
            if connection.recv(100).startswith(greeting):
                return connection
            # The place of an earlier session is not free yet.
            connection.close()
            time.sleep(0.05)
        raise TimeoutError(f"nobody says {greeting!r} on port {port}")


def replaced_disk(scene: Scene, server: Server, where: Where, broken: str, *, full: bool = False) -> Stages:
    """The folder for uploads on a disk of its own, then on one with options of tmpfs(5) that break it, or filled up."""
    upload = scene.files / "upload"
    with disk(server, upload, "size=1m"):
        yield where
    with disk(server, upload, broken):
        if full:
            server.run(("dd", "if=/dev/zero", f"of={upload}/filler", "bs=4k", "count=1", "status=none"))
        yield where


def changed_file(
    scene: Scene, start: Callable[[Place], Server], where: Where, name: str, change: Callable[[Path], object]
) -> Stages:
    """A file of REPORT, whose SHA-256 the page calls HEX, that becomes another one."""
    words = {**where.words, "HEX": sha256(REPORT).hexdigest()}
    with scene.server(start), scene.file(name, REPORT) as path:
        yield replace(where, words=words)
        change(path)
        yield replace(where, words=words)
