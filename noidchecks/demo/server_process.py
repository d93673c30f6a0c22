"""A server of the demonstration in a separate process, and both ends of the pipes to it.

The server prints its port on standard output and ends when its standard input ends, so that it never outlives the
demonstration, however that ends. The process is separate because one bad datagram ends tftpy's server, and because the
servers' log lines must not appear in the output.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Self

LOOPBACK = "127.0.0.1"
_STOP_SECONDS = 5


class ServerFailed(Exception):
    """A server did not start; the message has the last line that it printed."""


class ServerProcess:
    """A server module of a package in a separate process, which runs until its `with` block ends."""

    def __init__(self, module: str, *arguments: str, package: str = "noidchecks.demo") -> None:
        self._module = module
        self._port = 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # stop() closes it
        # -P, because the current folder may hold a file named like a module that the server needs.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{package}.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            # Ctrl-C at the terminal reaches only the demonstration, which then ends its servers.
            start_new_session=True,
        )

    @property
    def port(self) -> int:
        """The port on loopback; waits until the server has printed it, raises ServerFailed when it ends before."""
        if not self._port:
            line = self._process.stdout.readline() if self._process.stdout else b""
            if not line:
                self._errors.seek(0)
                said = self._errors.read().decode(errors="replace").strip().splitlines()
                raise ServerFailed(
                    f"the {self._module} server did not start: {said[-1] if said else 'it said nothing'}"
                )
            self._port = int(line)
        return self._port

    def stop(self) -> None:
        """Ends the server."""
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            pipe.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def begin_service() -> None:
    """Prepares the server's process: disables logging, and ends it as soon as the demonstration has ended."""
    logging.disable()
    threading.Thread(target=_end_with_input, daemon=True).start()


def announce(port: int) -> None:
    """Tells the demonstration that the server listens on the port."""
    print(port, flush=True)


def _end_with_input() -> NoReturn:
    # Not sys.stdin, whose lock this thread would hold without end.
    while os.read(0, 4096):
        pass
    os._exit(0)
