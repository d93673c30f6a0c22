"""A network namespace without a name: it lives as long as its file descriptor, and as what runs in it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PATIENCE = 60.0
"""Seconds that a program may take when its caller says nothing else."""

_CLONE_NEWNET = 0x40000000
_HERE = "/proc/thread-self/ns/net"
# Python has os.setns and os.unshare from 3.12 on.
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network of its own, with nothing but loopback at first; `name` is for people only.

    Nothing is bound to a file, so that there is nothing to remove, and any number of them can exist at a time.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        with _returning():
            _check(_libc.unshare(_CLONE_NEWNET))
            self._fd = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
        self._started: list[subprocess.Popen[str]] = []

    @property
    def path(self) -> Path:
        """Where iproute2 and nsenter find it, while this process and this object live."""
        return Path(f"/proc/{os.getpid()}/fd/{self._fd}")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Moves the calling thread here: its new sockets and its new processes belong here, and keep doing so.

        Do not await or yield to other code inside: the thread would carry it along.
        """
        with _returning():
            _check(_libc.setns(self._fd, _CLONE_NEWNET))
            yield

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        stdin: str = "",
        check: bool = True,
        timeout: float = PATIENCE,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program here to its end; `check` raises with all that it said when its exit code is not 0."""
        with self.popen(argv, stdin=subprocess.PIPE, env=env) as process:
            try:
                stdout, stderr = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                _kill(process)
                stdout, stderr = process.communicate()
                raise TimeoutError(f"{self.name}: {_line(argv)} took over {timeout} s: {stdout}{stderr}") from None
            finally:
                self._started.remove(process)
        if check and process.returncode != 0:
            raise RuntimeError(f"{self.name}: {_line(argv)} ended with {process.returncode}: {stdout}{stderr}")
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def popen(
        self,
        argv: Sequence[str | Path],
        *,
        stdin: int | IO[str] = subprocess.DEVNULL,
        stdout: int | IO[str] = subprocess.PIPE,
        stderr: int | IO[str] = subprocess.PIPE,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Starts a program here; it is killed when the namespace is closed, at the latest."""
        # A process starts in the namespace of the thread that forks it.
        with self.entered():
            process = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=env,
                text=True,
                errors="replace",
                # A group of its own, for what it starts in turn to be killed with it.
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def ip(self, *commands: str) -> None:
        """Runs commands of ip(8), each without the word ip."""
        self.run(("ip", "-batch", "-"), stdin="\n".join((*commands, "")))

    def nft(self, text: str) -> None:
        """Applies a text of nft(8) as one transaction."""
        self.run(("nft", "-f", "-"), stdin=text)

    def sysctl(self, name: str, value: int) -> None:
        """Writes a setting of this namespace alone, as net/ipv4/ip_forward."""
        # These files show the namespace of who opens them.
        with self.entered():
            Path("/proc/sys", name).write_text(f"{value}\n")

    def close(self) -> None:
        """Kills what popen started, and lets go of the namespace; twice is fine."""
        for process in self._started:
            _kill(process)
            process.communicate()
        self._started.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@contextmanager
def _returning() -> Iterator[None]:
    home = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        try:
            _check(_libc.setns(home, _CLONE_NEWNET))
        finally:
            os.close(home)


def _kill(process: subprocess.Popen[str]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _line(argv: Sequence[str | Path]) -> str:
    return " ".join(map(str, argv))
