"""The generation of this network namespace's tables: the same one proves that no program has changed any of them.

The kernel counts the transactions that it applies, of all programs and all tables together. The number says nothing by
itself: it begins again with each boot and in each namespace, whose numbers in /proc are used again too. Its cookie,
which the kernel gives to one namespace only, and the id of the boot make it unique.
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
        """Returns the generation after so many transactions of one program, if no other program changes a table."""
        return Generation(self.place, self.number + transactions)


def generation() -> Generation | None:
    """Returns the generation of the tables now; None where the kernel does not tell all of it."""
    try:
        with open(_BOOT, encoding="ascii") as file:
            boot = file.read().strip()
        with nfnetlink.opened() as netlink:
            cookie = int.from_bytes(netlink.getsockopt(socket.SOL_SOCKET, _COOKIE, 8), "little")
            number = nfnetlink.generation_of(netlink)
    except (OSError, ValueError):
        return None
    return None if number is None or not cookie or not boot else Generation(f"{boot}/{cookie:x}", number)
