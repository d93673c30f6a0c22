"""A server program that can be started, waited for and ended with everything it forked."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

PATIENCE = 60.0
"""Seconds that a daemon may take to answer or to end; a healthy one takes hundredths."""


class Daemon:
    """A program in a process-id and a mount namespace of its own.

    The namespaces are what ends it as a whole: sessions of vsftpd, for one, leave the process group of their server.
    Its parent there is a shell that takes in orphans: vsftpd ends itself when it finds a child that it did not start.
    """

    def __init__(self, argv: Sequence[str | Path], folder: Path) -> None:
        self.name = folder.name
        self._output = folder / "output"
        namespaces = ("/usr/bin/unshare", "--pid", "--mount", "--fork", "--kill-child", "--")
        parent = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
        with self._output.open("wb") as output:
            self._unshare = subprocess.Popen(
                [*namespaces, *parent, *argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.pid = 0
        self.wait_until(self._is_started, "its process")

    @property
    def output(self) -> str:
        """What the program printed until now."""
        return self._output.read_text(errors="replace")

    def wait_for_tcp(self, hosts: Iterable[str], port: int) -> None:
        """Waits until the program accepts a connection at each address, and has forgotten it again."""
        for host in hosts:
            self.wait_until(partial(_accepts, host, port), f"a listener at {host} port {port}")
        # Until the process of such a session is gone, it holds a place of max_clients or MaxStartups.
        self.wait_until(lambda: self._family() == [self.pid], "the end of its first sessions")

    def wait_for_tftp(self, hosts: Iterable[str], port: int) -> None:
        """Waits until the program answers a read request at each address, for a file that does not exist."""
        for host in hosts:
            self.wait_until(partial(_answers_tftp, host, port), f"an answer from {host} port {port}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Asks again until it is so; raises with the program's own words when it ends or takes too long."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if self._unshare.poll() is not None:
                raise RuntimeError(f"{self.name} ended before {what}: {self.output}")
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: no sign of {what} in {PATIENCE} s: {self.output}")
            time.sleep(0.002)

    def wait_to_end(self) -> None:
        """Waits until the program has ended by itself."""
        self._unshare.wait(PATIENCE)

    def stop(self) -> None:
        """Ends the program and everything it started; returns when all of it is gone."""
        # The kernel ends a process-id namespace with its first process, which cannot be waited for before the
        # others are gone. Ending unshare instead would return too early.
        if self._unshare.poll() is None:
            with suppress(ProcessLookupError):
                for shell in children(self._unshare.pid):
                    os.kill(shell, signal.SIGKILL)
        self._unshare.wait(PATIENCE)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Asks the program to end in its own way, waits for it, and ends what is left."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        with suppress(subprocess.TimeoutExpired):
            self._unshare.wait(PATIENCE)
        self.stop()

    def _is_started(self) -> bool:
        self.pid = next(iter(self._family()), 0)
        return self.pid != 0

    def _family(self) -> list[int]:
        """Lists the program, the processes that it started, and the orphans of those."""
        family = [pid for shell in children(self._unshare.pid) for pid in children(shell)]
        return family + [pid for parent in family for pid in children(parent)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def children(pid: int) -> list[int]:
    """Lists the processes that the main thread of a process has started."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=PATIENCE) as connection:
            # The kernel accepts before the server does; once it hangs up in turn, the session is known to have been.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        return True
    return True


def _answers_tftp(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.3)
        probe.sendto(b"\0\1nosuch\0octet\0", (host, port))
        try:
            return probe.recv(512).startswith(b"\0\5")
        except TimeoutError:
            return False
