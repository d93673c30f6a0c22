"""The lab: a client, a balancer and three backends, each in a network namespace, with real servers."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

from integration.lab import servers
from integration.lab.namespace import Namespace
from integration.lab.servers import Keys, Place, Server, Tls
from integration.lab.topology import CLIENT, GATEWAY, Link, ReturnRoute, connect, crowd, route_back, vip, wire

__all__ = ["BIG", "CLIENT", "GATEWAY", "Backend", "Lab", "Namespace", "Server", "Tls", "crowd", "vip"]

BIG = 50_000_000
"""Bytes of the file `big` that every server serves, the same one everywhere."""
BACKENDS = 3

N = TypeVar("N", bound=Namespace)


class Backend(Namespace):
    """The network of one backend; `server` holds what runs there, by the name of its program.

    What is served is in `files`: `name` holds the backend's own name, `small` 20 kB, `medium` 5 MB
    and `big` 50 MB that all of them share, and everybody may write into the folder `upload`.
    """

    def __init__(self, link: Link, folder: Path) -> None:
        super().__init__(f"b{link.number}")
        self.link = link
        self.server: dict[str, Server] = {}
        self.files = folder / "files"
        self._folder = folder
        (self.files / "upload").mkdir(parents=True)
        (self.files / "upload").chmod(0o777)
        (self.files / "name").write_text(self.name)

    @property
    def passive_ports(self) -> tuple[int, int]:
        """The ports on which its FTP servers wait for data connections; no other backend uses them."""
        low = 50_000 + 100 * (self.link.number - 1)
        return low, low + 99

    def address(self, version: int) -> str:
        """Returns its address of IP version 4 or 6."""
        return self.link.backend(version)

    def place(self, name: str) -> Place:
        """Makes a place for one more server."""
        folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-{name}-", dir=self._folder))
        # Some servers give up their rights before they read it.
        folder.chmod(0o755)
        return Place(namespace=self, files=self.files, folder=folder)

    def add(self, name: str, server: Server) -> Server:
        """Takes in a running server, to be stopped with the lab."""
        self.server[name] = server
        return server

    def remove(self, name: str) -> None:
        """Stops one server and forgets it."""
        self.server.pop(name).kill()

    def exchange(self, name: str, start: Callable[[Place], Server]) -> None:
        """Ends one server, if it runs, and starts another in its place; returns when that answers."""
        if name in self.server:
            self.remove(name)
        self.add(name, start(self.place(name))).wait()

    def link_down(self) -> None:
        """Pulls its cable; its addresses and routes go too."""
        self.ip("link set eth0 down")

    def link_up(self, mode: ReturnRoute) -> None:
        """Plugs it in again."""
        connect(self, self.link)
        route_back(self, self.link, mode)

    def close(self) -> None:
        """Stops all of its servers, and lets go of the namespace."""
        while self.server:
            self.remove(next(iter(self.server)))
        super().close()


class Lab:
    """Builds everything on entry and removes it on exit; needs root and the namespaces of integration/run.

    `ftp` and `tftp` name the server program of each backend; no `ftp`, `tftp` or `ssh` leaves those servers out.
    `balancer` is a namespace that the lab does not end, in the place of one of its own.
    """

    big_size = BIG

    def __init__(
        self,
        *,
        ftp: Sequence[str] = ("vsftpd", "proftpd", "pure-ftpd"),
        tftp: Sequence[str] = ("tftpd-hpa", "atftpd", "tftpd-hpa"),
        ssh: bool = True,
        balancer: Namespace | None = None,
    ) -> None:
        self._balancer = balancer
        self._programs = (ftp, tftp, ssh)
        self._mode: ReturnRoute = "snat"
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as built:
            # In the /run of integration/run, so that it goes away even with kill -9; and open to the users that
            # servers turn into, which pytest's own folders are not.
            self.folder = Path(tempfile.mkdtemp(dir="/run"))
            built.callback(shutil.rmtree, self.folder)
            self.folder.chmod(0o755)
            self._make_networks(built)
            self._make_files()
            self._start_servers()
            self._exit = built.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._exit.close()

    @property
    def mode(self) -> ReturnRoute:
        """Which farms the backends can answer: "dnat" gives them the way back to clients that "snat" does without."""
        return self._mode

    @mode.setter
    def mode(self, mode: ReturnRoute) -> None:
        if mode != self._mode:
            for backend in self.backends:
                route_back(backend, backend.link, mode)
            self._mode = mode

    @property
    def big(self) -> Path:
        """The 50 MB that are to come out of a `get`, and to upload in a `put`."""
        return self.backends[0].files / "big"

    @cached_property
    def keys(self) -> Keys:
        """The host key of every sshd, and the key that lets root in."""
        return Keys.make(self.folder)

    def _make_networks(self, built: ExitStack) -> None:
        self.client = self._make(built, Namespace("client"))
        self.balancer = self._balancer or self._make(built, Namespace("balancer"))
        self.backends = [
            self._make(built, Backend(Link(number), self._subfolder(f"b{number}"))) for number in range(1, BACKENDS + 1)
        ]
        wire(self.client, self.balancer, {backend.link: backend for backend in self.backends})

    def _make_files(self) -> None:
        first = self.backends[0].files
        # Random, so that no block can take the place of another.
        (first / "big").write_bytes(secrets.token_bytes(self.big_size))
        (first / "medium").write_bytes(secrets.token_bytes(5_000_000))
        (first / "small").write_bytes(secrets.token_bytes(20_000))
        for backend in self.backends[1:]:
            for name in ("big", "medium", "small"):
                os.link(first / name, backend.files / name)

    def _start_servers(self) -> None:
        ftp, tftp, ssh = self._programs
        for backend, program in zip(self.backends, ftp, strict=False):
            backend.add(program, servers.FTP[program](backend.place(program), backend.passive_ports))
        for backend, program in zip(self.backends, tftp, strict=False):
            backend.add(program, servers.TFTP[program](backend.place(program)))
        if ssh:
            for backend in self.backends:
                backend.add("sshd", servers.sshd(backend.place("sshd"), self.keys))
        for backend in self.backends:
            for server in backend.server.values():
                server.wait()

    def _subfolder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    @staticmethod
    def _make(built: ExitStack, namespace: N) -> N:
        built.callback(namespace.close)
        return namespace
