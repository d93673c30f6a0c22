"""The backends of the demonstration as processes that are started, ended and left half dead, and the farms of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from paramiko import ECDSAKey

from integration.lb.farms import Addressed
from integration.lb_guard.farms import guarded
from noidchecks.demo.server_process import ServerProcess

PORTS = {"ftp": 21, "tftp": 69, "sftp": 22}
_COMMANDS = {
    "ftp": "check_ftp -H HOST -p PORT --data passive --get name -t 1",
    "tftp": "check_tftp -H HOST -p PORT -f name -t 1",
    "sftp": "check_ssh -p PORT -t 1 HOST",
}
_GUARDIAN = {"interval": "1s", "fast-interval": "300ms", "timeout": "1s"}


class Place(Addressed, Protocol):
    """Where a backend runs; the file `name` in `files` holds its name."""

    @property
    def files(self) -> Path: ...
    def entered(self) -> AbstractContextManager[None]:
        """Moves this thread there: a process that it starts inside the block belongs there."""


class BackendProcess:
    """A backend of the farms, and the process that serves its files; it listens on its own address, or on another."""

    def __init__(self, place: Place, key: Path, ports: Mapping[str, int] = PORTS, listen: str = "") -> None:
        self.name = place.name
        self.ports = ports
        self._listen = listen or place.address(4)
        self._place, self._key = place, key
        self.half_dead = place.files.with_name("half-dead")
        self._process: ServerProcess | None = None

    def address(self, version: int) -> str:
        """Returns its address of IP version 4 or 6."""
        return self._place.address(version)

    def start(self) -> None:
        """Starts it; `wait` returns when it answers."""
        words = (self._listen, self._place.files, *self.ports.values(), self._key, self.half_dead)
        with self._place.entered():
            self._process = ServerProcess("backend", *map(str, words), package="integration.demo")

    def wait(self) -> None:
        """Waits until it answers; ServerFailed when it ends before."""
        if self._process is not None:
            _ = self._process.port

    def kill(self) -> None:
        """Ends it at once, if it runs: its ports refuse from then on."""
        if self._process is not None:
            self._process.stop()

    def cripple(self) -> None:
        """Closes the data ports of its FTP server, which goes on running."""
        self.half_dead.touch()

    def heal(self) -> None:
        """Opens them again."""
        self.half_dead.unlink()


def host_key(folder: Path) -> Path:
    """Makes the SSH host key that all backends share, as those of one farm must."""
    path = folder / "host_key"
    ECDSAKey.generate().write_private_key_file(str(path))
    return path


@dataclass(frozen=True, slots=True)
class _Farms:
    backends: Sequence[BackendProcess]


def farms(backends: Sequence[BackendProcess], host: str = "HOST") -> str:
    """Returns the text of a farms file: a farm for each protocol, each on all backends, which are checked at a host."""
    return "".join(
        guarded(
            _Farms(backends),
            protocol,
            name=protocol,
            command=command.replace("HOST", host),
            settings=_GUARDIAN,
            of={one.name: {"port": one.ports[protocol]} for one in backends},
        )
        for protocol, command in _COMMANDS.items()
    )
