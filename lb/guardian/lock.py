"""The guardian's lock: one guardian in each network namespace, for as long as its process lives.

The lock is an empty nf_tables table with an owner (Linux 5.12). It has what a lock file lacks: it belongs to the
network namespace, as the noidlb table does; only a process that may change tables can create it; no other process can
remove it, not even with `nft flush ruleset`; and the kernel removes it when its owner's netlink socket closes.
"""

from __future__ import annotations

import errno
import os
import socket

from ..errors import GuardError
from ..nft import nfnetlink

NAME = "noidlb-guardian"
# NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_OWNER; NFT_TABLE_F_OWNER
_NAME, _FLAGS, _OWNER = 1, 2, 7
_HAS_OWNER = 2
# The port id of the lock's netlink socket is this mark and the process id (22 bits), so that every user can see in
# /proc which process holds the lock. Port ids that the kernel chooses are process ids or negative: none has the mark.
_MARK = 0x7EC00000
_PROCESS = (1 << 22) - 1
_SOCKETS = "/proc/thread-self/net/netlink"


def take() -> socket.socket:
    """Takes the lock and holds it until the socket is closed; raises GuardError, which names the holder."""
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
    """Names the process that holds the lock, by the id in its own PID namespace; "" when the lock is free."""
    try:
        number = _owner()
    except PermissionError:
        # Without permission to read tables, /proc is the only hint; another program could use the same port id.
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
        # Port ids are not reserved, and another program has this one; it only serves to name the process.
        return nfnetlink.opened()


def _owner() -> int | None:
    """Returns the port id of the socket that owns the lock, None when the lock is free; raises OSError."""
    with nfnetlink.opened() as asking:
        try:
            found = nfnetlink.ask(asking, nfnetlink.GET_TABLE, _named(), family=nfnetlink.INET)
        except FileNotFoundError:
            return None
    return int.from_bytes(found.get(_OWNER, b""))


def _named() -> bytes:
    return nfnetlink.attribute(_NAME, f"{NAME}\0".encode())


def _marked() -> list[int]:
    """Returns the port ids of netlink sockets that have the lock's mark."""
    try:
        with open(_SOCKETS, encoding="ascii") as file:
            rows = [line.split() for line in file.read().splitlines()[1:]]
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
