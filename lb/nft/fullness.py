"""Reads how full the tables are that all farms share: sticky clients, conntrack's flows and its expectations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..farm import Farm
from . import nfnetlink
from .nfnetlink import GET_SET, INET
from .skeleton import FAMILIES, STICKY_SIZE, TABLE

_STATISTICS = Path("/proc/thread-self/net/stat/nf_conntrack")
_MOST_EXPECTED = Path("/proc/sys/net/netfilter/nf_conntrack_expect_max")
# NFTA_SET_TABLE, NFTA_SET_NAME, NFTA_SET_COUNT
_TABLE, _NAME, _COUNT = 1, 2, 20


@dataclass(frozen=True, slots=True)
class Fullness:
    """The number of entries and the most that the table holds."""

    count: int
    limit: int

    def __str__(self) -> str:
        return f"{self.count} of {self.limit}"


def sticky(farms: Iterable[Farm]) -> dict[int, Fullness]:
    """Returns the remembered clients by IP version; {} before Linux 6.16, and when none of the farms is sticky.

    Older kernels do not report the count, and listing 100,000 clients takes 2 s.
    """
    found: dict[int, Fullness] = {}
    if not any(farm.sticky for farm in farms):
        return found
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


def flows(proc: Path = Path("/proc")) -> Fullness | None:
    """Returns the flows of conntrack; None when /proc does not have the figures, as when conntrack is not loaded."""
    folder = proc / "sys/net/netfilter"
    try:
        return Fullness(*(int((folder / f"nf_conntrack_{name}").read_text()) for name in ("count", "max")))
    except (OSError, ValueError):
        return None


def expectations() -> Fullness | None:
    """Returns the expected data connections of FTP and TFTP; None when /proc does not have the figures.

    At the limit, TFTP requests and FTP data connections of every client fail.
    """
    try:
        made, ended = totals(_STATISTICS, "expect_create", "expect_delete")
        # Counters of 32 bits; a connection may be created on one processor and deleted on another.
        return Fullness((made - ended) & 0xFFFF_FFFF, int(_MOST_EXPECTED.read_text()))
    except (OSError, ValueError):
        return None


def totals(statistics: Path, *names: str) -> list[int]:
    """Returns counters of conntrack, each summed over the rows of all processors; [] when the file lacks one."""
    try:
        head, *rows = (line.split() for line in statistics.read_text().splitlines())
        columns = [head.index(name) for name in names]
        return [sum(int(row[column], 16) for row in rows) for column in columns]
    except (OSError, ValueError, IndexError):
        return []
