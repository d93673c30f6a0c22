"""The table as a value, and the smallest nft transactions that turn one table into another.

Every change is a difference of map elements, usually one transaction of a few hundred bytes. The kernel applies a
transaction as a whole, but a packet that is under way sees each rule as it reaches it. Order therefore matters twice:

    between transactions   new chains, then elements, then the removal of chains that lost their last element
    within one             deletions from the service maps down to the address maps, additions the other way round

A packet can so never reach an element whose target is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..config.mark_layout import Layout
from .skeleton import TABLE, skeleton

# In the order of additions: a map stands behind those that packets reach through it.
_MAPS = (
    *("full", "source", "sourcerange", "sourceactive", "masq", "masqrange"),
    *("active", "activeport", "host", "hostrange", "backend", "slot", "remember", "pick", "farm"),
    *("ftp", "tftp", "ftpcheck", "tftpcheck", "passive", "range", "service"),
)
# Keyed by mark alone, so one map serves both IP families.
_SHARED = ("full", "remember")
MAPS = tuple(
    name if name in _SHARED else f"{name}{version}"
    for name in _MAPS
    for version in (4, 6)
    if name not in _SHARED or version == 4
)
SETS = frozenset(name for name in MAPS if name.startswith(("full", "ftp", "tftp", "masq")))
_PER_COMMAND = 2000


@dataclass(frozen=True, slots=True)
class Table:
    """Chains by name with their rules, and the elements of each map as key -> value.

    Keys and values are nft text; elements of sets have the value "". names has farm/backend by mark, for comments;
    layout is the meaning of the mark's bits.
    """

    chains: Mapping[str, str] = field(default_factory=dict)
    elements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict, compare=False)
    layout: Layout = field(default_factory=Layout)

    def of(self, name: str) -> Mapping[str, str]:
        """Returns the elements of one map or set."""
        return self.elements.get(name, {})

    def serving(self, version: int) -> set[int]:
        """Returns the marks of the farms that serve in one IP version, also of those without a backend at present."""
        return {int(mark, 16) for mark in self.of(f"farm{version}").values()}

    def targets(self, version: int) -> dict[int, tuple[str, str]]:
        """Returns address and port of each backend by its mark; port "" keeps the port that the client asked for."""
        found = {}
        for kind in ("host", "backend"):
            for mark, target in self.of(f"{kind}{version}").items():
                address, _, port = target.partition(" . ")
                found[int(mark, 16)] = address, port
        return found

    def shares(self, version: int) -> dict[int, tuple[int, int]]:
        """Returns the slots of each backend and of its farm in one IP version, by the backend's mark."""
        counts: dict[int, int] = {}
        totals: dict[int, int] = {}
        for key, value in self.of(f"slot{version}").items():
            base = int(key.partition(" ")[0], 16)
            totals[base] = totals.get(base, 0) + 1
            mark = int(value, 16)
            counts[mark] = counts.get(mark, 0) + 1
        return {mark: (count, totals.get(mark & ~self.layout.backend, count)) for mark, count in counts.items()}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The kernel's table: version of the skeleton, contents, and the number of connections so far by mark.

    version is None for a damaged or foreign table; damage then says what is wrong.
    """

    version: int | None
    table: Table = field(default_factory=Table)
    totals: Mapping[int, int] = field(default_factory=dict)
    damage: str = ""


def mark_text(mark: int) -> str:
    """Returns a mark as the table's elements and nft's listings have it."""
    return f"{mark:#010x}"


def render(table: Table) -> str:
    """Returns the whole table as one transaction that creates it."""
    return "".join((skeleton(table.layout), *_create_chains(table.chains), *_add(table, table.elements)))


def transactions(old: Table, new: Table) -> list[str]:
    """Returns the smallest transactions, in order, that turn old into new: usually one, none when they are equal."""
    made = {name: rules for name, rules in new.chains.items() if name not in old.chains}
    gone = [name for name in old.chains if name not in new.chains]
    batches = (
        "".join(_create_chains(made)),
        "".join(_change(old, new)),
        "".join(f"flush chain inet {TABLE} {name}\ndelete chain inet {TABLE} {name}\n" for name in gone),
    )
    return [batch for batch in batches if batch]


def united(one: Table, other: Table) -> Table:
    """Returns a table with the elements of both, with those of the first where both have a key.

    Where the second has another layout, its marks would mean other backends: only its services are taken.
    """
    taken = MAPS if other.layout == one.layout else ("service4", "service6")
    elements = {name: {**(other.of(name) if name in taken else {}), **one.of(name)} for name in MAPS}
    return Table({**other.chains, **one.chains}, elements, {**other.names, **one.names}, one.layout)


def _create_chains(chains: Mapping[str, str]) -> Iterator[str]:
    for name, rules in sorted(chains.items()):
        yield f"table inet {TABLE} {{\n\tchain {name} {{\n\t\t{rules}\n\t}}\n}}\n"


def _change(old: Table, new: Table) -> Iterator[str]:
    removed: dict[str, list[str]] = {}
    added: dict[str, dict[str, str]] = {}
    # Marks that another backend has now: its comment and its counter must not be those of the one before.
    renamed = {mark for mark, name in new.names.items() if old.names.get(mark, name) != name}
    for name in MAPS:
        before, after = old.of(name), new.of(name)
        again = renamed & before.keys() if _has_comments(name) else set[str]()
        if before == after and not again:
            continue
        # nft cannot overwrite an element: a changed one is deleted and added.
        removed[name] = sorted(key for key, value in before.items() if after.get(key) != value or key in again)
        added[name] = {key: value for key, value in after.items() if before.get(key) != value or key in again}
    for name in reversed(MAPS):
        yield from _command("delete", name, removed.get(name, []))
    yield from _add(new, added)


def _has_comments(name: str) -> bool:
    return name[:-1] in ("backend", "host")


def _add(table: Table, elements: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name in MAPS:
        pairs = sorted(elements.get(name, {}).items())
        yield from _command("add", name, [_element(table, name, key, value) for key, value in pairs])


def _element(table: Table, name: str, key: str, value: str) -> str:
    if name == "full":
        return f"{key} ct count over {value}"
    if _has_comments(name) and key in table.names:
        key = f'{key} comment "{table.names[key]}"'
    return f"{key} : {value}" if value else key


def _command(verb: str, name: str, elements: list[str]) -> Iterator[str]:
    for begin in range(0, len(elements), _PER_COMMAND):
        listed = ", ".join(elements[begin : begin + _PER_COMMAND])
        yield f"{verb} element inet {TABLE} {name} {{ {listed} }}\n"
