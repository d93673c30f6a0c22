"""nftlb 1.0.7 of Debian, the peer of the farms: its load, and its daemon with the HTTP interface."""

from __future__ import annotations

import json
import secrets
import socket
import time
from pathlib import Path
from subprocess import DEVNULL

from integration.lab.namespace import Namespace
from integration.servers import UNPACKED

NFTLB = UNPACKED / "usr/sbin/nftlb"
_PORT = 5555
# 500 farms take it seconds.
_PATIENCE = 120.0


def load(namespace: Namespace, file: Path) -> None:
    """Makes nftlb load a configuration into the kernel and end."""
    namespace.run((NFTLB, "-e", "-c", file), timeout=_PATIENCE)


class Daemon:
    """A running nftlb that has loaded a configuration; it ends with its namespace, whose loopback must be up."""

    def __init__(self, namespace: Namespace, file: Path) -> None:
        self._namespace = namespace
        self._key = secrets.token_hex(8)
        # Without -H it would listen on every address.
        namespace.popen(
            (NFTLB, "-k", self._key, "-H", "127.0.0.1", "-P", str(_PORT), "-c", file), stdout=DEVNULL, stderr=DEVNULL
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._ask("GET", "/farms")
                return
            except ConnectionError:
                # It listens after it has loaded.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def set_state(self, farm: str, backend: str, state: str) -> None:
        """Makes a backend "up" or "down"."""
        change = {"farms": [{"name": farm, "backends": [{"name": backend, "state": state}]}]}
        answer = self._ask("PUT", "/farms", json.dumps(change))
        if "success" not in answer:
            raise RuntimeError(f"nftlb: {answer}")

    def _ask(self, method: str, path: str, body: str = "") -> str:
        with self._namespace.entered():
            connection = socket.create_connection(("127.0.0.1", _PORT), _PATIENCE)
        with connection:
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nKey: {self._key}\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
        return answer.decode()
