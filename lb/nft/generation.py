"""The generation of this network namespace's tables: the same one proves that no program has changed any of them.

The kernel counts the transactions that it applies, of all programs and all tables together. The number alone is not
unique: it begins again with each boot and in each namespace, and the kernel reuses a namespace's number in /proc. The
namespace's cookie, which is never reused, and the boot id make it unique.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from . import nfnetlink

_BOOT = "/proc/sys/kernel/random/boot_id"
# SO_NETNS_COOKIE of Linux 5.14
_COOKIE = 71


class Generation(NamedTuple):
    """The number of transactions so far, and the place where it counts: a boot and a network namespace."""

    place: str
    number: int

    def after(self, transactions: int) -> Generation:
        """Returns the generation after this number of transactions, if no other program changes a table."""
        return Generation(self.place, self.number + transactions)


def generation() -> Generation | None:
    """Returns the current generation of the tables; None when the kernel does not report all parts of it."""
    try:
        with open(_BOOT, encoding="ascii") as file:
            boot = file.read().strip()
        with nfnetlink.opened() as netlink:
            cookie = int.from_bytes(netlink.getsockopt(socket.SOL_SOCKET, _COOKIE, 8), "little")
            number = nfnetlink.generation_of(netlink)
    except (OSError, ValueError):
        return None
    return None if number is None or not cookie or not boot else Generation(f"{boot}/{cookie:x}", number)
