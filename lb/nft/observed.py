"""Reads what the kernel does with the farms: a summary of the noidlb table, and the number of flows by mark.

Run as a program, it prints one of the two as lines of JSON. The guardian starts it as a child process, because a thread
would delay its probes: parsing nft's 10 MB of JSON for 5,000 farms holds Python's GIL for 0.2 s.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from . import conntrack, nft as kernel
from .run import KernelError
from .table import Snapshot

TABLE, FLOWS = "table", "flows"
_FAMILIES = (4, 6)
# Pairs in a line of JSON: the guardian parses one in a fraction of a millisecond between two probes.
_IN_A_LINE = 200
# Below the guardian, whose probes come first.
_NICE = 10
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Facts:
    """A summary of the noidlb table.

    services: the verdict of each VIP and port. By IP version and mark of the backend: shares, its slots and its farm's;
    reachable, whether the table has its address. totals: connections so far by mark.
    """

    services: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[int, Mapping[int, tuple[int, int]]] = field(default_factory=lambda: {4: {}, 6: {}})
    reachable: Mapping[int, Mapping[int, bool]] = field(default_factory=lambda: {4: {}, 6: {}})
    totals: Mapping[int, int] = field(default_factory=dict)


def facts_of(found: Snapshot | None) -> Facts:
    """Returns the summary of a table that was read from the kernel."""
    if found is None:
        return Facts()
    table = found.table
    return Facts(
        services={**table.of("service4"), **table.of("service6")},
        shares={version: table.shares(version) for version in _FAMILIES},
        reachable={version: dict.fromkeys(table.targets(version), True) for version in _FAMILIES},
        totals=found.totals,
    )


def read_table() -> Facts:
    """Reads the summary of the noidlb table; raises KernelError."""
    return facts_of(kernel.read())


def to_lines(facts: Facts) -> Iterator[str]:
    """Writes the summary as lines of JSON, each the name of a field and up to 200 pairs."""
    yield from _lines("services", facts.services)
    yield from _lines("totals", facts.totals)
    for version in _FAMILIES:
        yield from _lines(f"shares{version}", facts.shares[version])
        yield from _lines(f"reachable{version}", facts.reachable[version])


def _lines(name: str, pairs: Mapping[K, V]) -> Iterator[str]:
    items = iter(pairs.items())
    while part := list(islice(items, _IN_A_LINE)):
        yield json.dumps([name, part])


class Reader:
    """Reads the lines of to_lines() and of the flows."""

    def __init__(self) -> None:
        self._found: defaultdict[str, dict[Any, Any]] = defaultdict(dict)

    def take(self, lines: Iterable[bytes]) -> Iterator[None]:
        """Reads one line for each step of the iterator, so that the caller can run probes in between."""
        for line in lines:
            name, pairs = json.loads(line)
            is_share = name.startswith("shares")
            part = {key: tuple(value) if is_share else value for key, value in pairs}
            self._found[name].update(part)
            yield None

    @property
    def facts(self) -> Facts:
        """The summary of the table."""
        return Facts(
            services=self._found["services"],
            shares={version: self._found[f"shares{version}"] for version in _FAMILIES},
            reachable={version: self._found[f"reachable{version}"] for version in _FAMILIES},
            totals=self._found["totals"],
        )

    @property
    def flows(self) -> Mapping[int, int]:
        """The number of flows by mark."""
        return self._found[FLOWS]


def main(what: str) -> int:
    """Prints the table's summary or the flows, and returns the exit code."""
    os.nice(_NICE)
    try:
        lines = to_lines(read_table()) if what == TABLE else _lines(FLOWS, conntrack.count())
        for line in lines:
            print(line)
    except KernelError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
