"""One guardian for a table: a lock that lives as long as its process, in the network namespace of the table.

It is an empty table of nf_tables with an owner. Only who may change tables can make one, so that nobody else is in a
guardian's way; no other process can remove it, not even by `flush ruleset`; and the kernel removes it with its owner.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from ..errors import LbError
from ..nft import netlink as nfnetlink

NAME = "noidlb-guardian"
# NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_OWNER; NFT_TABLE_F_OWNER
_NAME, _FLAGS, _OWNER = 1, 2, 7
_HAS_OWNER = 2
# Sockets of netlink have numbers of their own, and anybody can see them: this one's tells the process. Process ids have
# 22 bits, and the numbers that the kernel gives are process ids or negative.
_MARK = 0x7EC00000
_PROCESS = (1 << 22) - 1
_SOCKETS = Path("/proc/thread-self/net/netlink")


class GuardError(LbError, RuntimeError):
    """No guardian can be started or asked: it runs already, does not run, or does not answer."""


def take() -> socket.socket:
    """Takes the lock, which is held until the socket is closed; GuardError naming the process that holds it."""
    held = None
    try:
        held = _opened()
        flags = nfnetlink.attribute(_FLAGS, _HAS_OWNER.to_bytes(4))
        nfnetlink.create(held, nfnetlink.NEW_TABLE, _named() + flags, family=nfnetlink.INET)
    except OSError as error:
        if held is not None:
            held.close()
        raise GuardError(_complaint(error)) from error
    return held


def holder() -> str:
    """Says which process holds the lock, by its id in its own namespace of processes; "" when nobody does."""
    try:
        number = _owner()
    except PermissionError:
        # Who may not look at tables sees the socket; it could be anybody's, but is only told about.
        number = next(iter(_marked()), None)
    except OSError:
        return ""
    if number is None:
        return ""
    return f"process {number & _PROCESS}" if number & ~_PROCESS == _MARK else "a process that hides its id"


def _opened() -> socket.socket:
    try:
        return nfnetlink.opened(_MARK | os.getpid())
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        # Numbers are free to everybody, and only tell who it is.
        return nfnetlink.opened()


def _owner() -> int | None:
    """Returns the number of the socket that holds the lock; OSError."""
    with nfnetlink.opened() as asking:
        try:
            found = nfnetlink.ask(asking, nfnetlink.GET_TABLE, _named(), family=nfnetlink.INET)
        except FileNotFoundError:
            return None
    return int.from_bytes(found.get(_OWNER, b""))


def _named() -> bytes:
    return nfnetlink.attribute(_NAME, f"{NAME}\0".encode())


def _marked() -> list[int]:
    """Returns the numbers of the sockets that look like one that holds a lock."""
    try:
        rows = [line.split() for line in _SOCKETS.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [number for row in rows if (number := int(row[2])) & ~_PROCESS == _MARK]


def _complaint(error: OSError) -> str:
    if error.errno in (errno.EPERM, errno.EEXIST):
        try:
            _owner()
        except OSError:
            return "the lock of the table cannot be taken: run it as root, or with the capability CAP_NET_ADMIN"
        return f"another guardian watches this table already: {holder() or 'it has just ended'}"
    if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
        return "the lock of the table cannot be taken: it needs the nf_tables of Linux 5.12 or a later one"
    return f"the lock of the table cannot be taken: {error.strerror or error}"
