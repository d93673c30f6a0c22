"""The communication with the service manager: sd_notify(3), and SIGHUP for a reload."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from .status.text import printable

# Seconds by which each EXTEND_TIMEOUT_USEC extends the start timeout.
_LONGER = 60


@contextmanager
def hangup_kept() -> Iterator[None]:
    """Blocks SIGHUP until the command has installed its handler and unblocks it; the handler gets a pending SIGHUP.

    The default action of SIGHUP ends the process, which systemd takes for a clean exit, without a restart.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    try:
        yield
    finally:
        # A command that fails before must still print the reason: to ignore SIGHUP for a moment discards a pending one.
        signal.signal(signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_IGN))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Notifier:
    """Sends notifications to the service manager that started this process, if any.

    It removes the variables of sd_notify from the environment, so that no child process sends notifications too.
    """

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        address = given.pop("NOTIFY_SOCKET", "")
        # "@" stands for the NUL at the beginning of an abstract address.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        usec = given.pop("WATCHDOG_USEC", "")
        pid = given.pop("WATCHDOG_PID", "")
        is_ours = not pid or pid == str(os.getpid())
        # The watchdog's limit in seconds, or None.
        self.watchdog = int(usec) / 1e6 if usec.isdecimal() and int(usec) and is_ours else None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address[:1] in ("/", "@") else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._unsaid: list[str] = []
        # Whether READY=1 was sent.
        self.is_ready = False

    def ready(self) -> None:
        """Sends READY=1, after the start or a reload."""
        self.is_ready = True
        self._tell("READY=1")

    def reloading(self) -> None:
        """Sends RELOADING=1."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Sends STOPPING=1."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """Sends STATUS=, a line for people."""
        self._tell(f"STATUS={printable(text, 300)}", must_arrive=False)

    def alive(self, *, at_work: bool = False) -> None:
        """Sends WATCHDOG=1; with at_work during the start, also extends the start timeout."""
        longer = f"\nEXTEND_TIMEOUT_USEC={_LONGER * 1_000_000}" if at_work and not self.is_ready else ""
        self._tell(f"WATCHDOG=1{longer}", must_arrive=False)

    def close(self) -> None:
        """Closes the socket; later messages are dropped."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, message: str, *, must_arrive: bool = True) -> None:
        if self._socket is None:
            return
        self._unsaid.append(message)
        try:
            while self._unsaid:
                self._socket.sendto(self._unsaid[0].encode(), self._address)
                self._unsaid.pop(0)
        except BlockingIOError:
            # The manager's queue is full: the message is sent before the next one, or dropped if it may be lost.
            if not must_arrive:
                self._unsaid.pop()
        except OSError:
            # The service manager is gone; the service goes on.
            self._unsaid.clear()
