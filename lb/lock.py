"""One guardian for a table: a lock that is there as long as its process, in the network namespace of the table."""

from __future__ import annotations

import errno
import os
import socket
import struct

# An abstract address: like the table it belongs to the network namespace, and the kernel removes it with its process.
_ADDRESS = "\0noidlb-guardian"
_CREDENTIALS = struct.Struct("3i")


class GuardError(RuntimeError):
    """Trouble with a guardian: one sentence."""


def take() -> socket.socket:
    """Takes the lock, which is held until the socket is closed; GuardError naming the process that holds it."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(_ADDRESS)
        made.listen(8)
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            raise GuardError(f"the lock of the table cannot be taken: {error.strerror}") from error
        raise GuardError(f"another guardian watches this table already: {holder() or 'it has just ended'}") from None
    made.setblocking(False)
    return made


def let_go(lock: socket.socket) -> None:
    """Sends those away who have asked who holds the lock."""
    try:
        while True:
            lock.accept()[0].close()
    except OSError:
        # Nobody is left.
        return


def holder() -> str:
    """Says which process holds the lock; "" when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_ADDRESS)
        except BlockingIOError:
            return "a process that does not answer"
        except OSError:
            return ""
        pid, uid, _ = _CREDENTIALS.unpack(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    whose = "" if uid in (0, os.geteuid()) else f" of user {uid}"
    return f"process {pid}{whose}"
