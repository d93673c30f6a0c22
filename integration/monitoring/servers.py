"""An FTP, a TFTP and an SSH server at their own ports, which can be stopped and started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Self

from integration import servers
from integration.servers import Server

PORTS = {"ftp": 21, "tftp": 69, "ssh": 22}
_STARTS: dict[str, Callable[[Path, int], AbstractContextManager[Server]]] = {
    "ftp": servers.vsftpd,
    "tftp": servers.tftpd_hpa,
    "ssh": servers.sshd,
}


class Farm:
    """The three servers by their protocol; the namespaces of integration/run leave their ports to us."""

    def __init__(self, new_folder: Callable[[], Path]) -> None:
        self._new_folder = new_folder
        self._running: dict[str, ExitStack] = {}

    def start(self, protocol: str) -> Server:
        """Starts a server that does not run."""
        stack = ExitStack()
        server = stack.enter_context(_STARTS[protocol](self._new_folder(), PORTS[protocol]))
        self._running[protocol] = stack
        return server

    def stop(self, protocol: str) -> None:
        """Stops a server; its port then refuses."""
        self._running.pop(protocol).close()

    @contextmanager
    def without(self, protocol: str) -> Iterator[None]:
        """Does without a server until the block ends."""
        self.stop(protocol)
        try:
            yield
        finally:
            self.start(protocol)

    def __enter__(self) -> Self:
        for protocol in _STARTS:
            self.start(protocol)
        return self

    def __exit__(self, *exception: object) -> None:
        for protocol in list(self._running):
            self.stop(protocol)
