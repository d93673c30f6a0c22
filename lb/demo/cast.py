"""The processes of the demonstration: backends that are started, killed and left half dead."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from noidlb.demo.scene import FILE, Host, half_dead

_PATIENCE = 5.0
# The words of a command as it is run where a host is.
Place = Callable[[Host, Sequence[str]], Sequence[str]]


class Failed(RuntimeError):
    """A process of the demonstration did not start: one sentence."""


def start(argv: Sequence[str], errors: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """Starts a process of ours, which ends when its standard input does."""
    return subprocess.Popen(  # noqa: S603  # our own modules
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        # Ctrl-C at the terminal is for the demonstration alone.
        start_new_session=True,
        # The checkout's or the installed one, but the same as ours.
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def end(process: subprocess.Popen[str]) -> None:
    """Ends a process."""
    for pipe in filter(None, (process.stdin, process.stdout)):
        pipe.close()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Cast:
    """The backends, each a process that serves a folder with its own name in it."""

    def __init__(self, folder: Path, place: Place, address: Callable[[Host], str]) -> None:
        self._folder = folder
        self._place = place
        self._address = address
        self._running: dict[Host, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        key = self._folder / "host_key"
        # Generated here and not by ssh-keygen, which not every machine has.
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key.write_bytes(
            Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        for host in list(self._running):
            self.kill(host)

    def begin(self, hosts: Sequence[Host]) -> None:
        """Starts backends and waits until they answer; Failed."""
        for host in hosts:
            files = self._folder / host.name
            files.mkdir(exist_ok=True)
            (files / FILE).write_text(f"{host.name}\n")
            ports = map(str, (host.ports.ftp, host.ports.tftp, host.ports.sftp))
            words = (self._address(host), str(files), str(self._folder / "host_key"), *ports)
            argv = self._place(host, (sys.executable, "-P", "-m", "noidlb.demo.backend", *words))
            self._running[host] = start(argv)
        for host in hosts:
            output = self._running[host].stdout
            if output is None or not output.readline():
                raise Failed(f"backend {host.name} did not start")

    def cripple(self, host: Host) -> None:
        """Closes the data ports of a backend that goes on running."""
        half_dead(self._folder / host.name).touch()

    def heal(self, host: Host) -> None:
        """Opens them again."""
        half_dead(self._folder / host.name).unlink()

    def kill(self, host: Host) -> None:
        """Ends a backend at once: its ports refuse from then on."""
        process = self._running.pop(host)
        process.kill()
        end(process)
