"""How full the tables are that all clients share: of clients that are remembered, and of expected connections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import netlink as nfnetlink
from .netlink import GET_SET, INET
from .skeleton import FAMILIES, STICKY_SIZE, TABLE

_STATISTICS = Path("/proc/thread-self/net/stat/nf_conntrack")
_MOST_EXPECTED = Path("/proc/sys/net/netfilter/nf_conntrack_expect_max")
# NFTA_SET_TABLE, NFTA_SET_NAME, NFTA_SET_COUNT
_TABLE, _NAME, _COUNT = 1, 2, 20


@dataclass(frozen=True, slots=True)
class Fullness:
    """How many there are, of how many that there can be."""

    count: int
    limit: int


def sticky() -> dict[int, Fullness]:
    """Returns how many clients of sticky farms are remembered, by IP version; nothing when the kernel does not tell.

    A kernel before Linux 6.16 could only list them all, which takes it 2 s for 100,000: it is not asked to.
    """
    found = {}
    for version in FAMILIES:
        named = nfnetlink.attribute(_TABLE, f"{TABLE}\0".encode())
        named += nfnetlink.attribute(_NAME, f"sticky{version}\0".encode())
        try:
            with nfnetlink.opened() as netlink:
                told = nfnetlink.ask(netlink, GET_SET, named, family=INET).get(_COUNT, b"")
        except OSError:
            continue
        if told:
            found[version] = Fullness(int.from_bytes(told), STICKY_SIZE)
    return found


def expectations() -> Fullness | None:
    """Returns how many data connections are expected of FTP and TFTP, of how many; None when the kernel does not tell.

    At the limit, no TFTP request and no FTP data connection of any client gets through.
    """
    try:
        head, *rows = (line.split() for line in _STATISTICS.read_text().splitlines())
        made, ended = head.index("expect_create"), head.index("expect_delete")
        # Each processor counts for itself, in 32 bits.
        count = sum(int(row[made], 16) - int(row[ended], 16) for row in rows) & 0xFFFF_FFFF
        return Fullness(count, int(_MOST_EXPECTED.read_text()))
    except (OSError, ValueError, IndexError):
        return None
