"""From the farms and the operator's words to the kernel: what has to change, and changing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lb import kernel
from lb.farm import Farm
from lb.marks import BACKEND_MASK, FLOW_MASK, Marks
from lb.ruleset import Conditions, compile_table
from lb.skeleton import TABLE
from lb.table import Table, render, transactions
from lb.words import Words

# Where the elements of backends are: mark -> address.
_BACKENDS = ("backend4", "backend6", "host4", "host6")


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes the kernel's table the wanted one: transactions to be run in this order, none when it is already.

    old is None when there is no table of this version; is_foreign then tells that another one is to be replaced.
    """

    old: Table | None
    new: Table
    batches: tuple[str, ...]
    is_foreign: bool = False

    def run(self) -> None:
        """Makes the changes; KernelError, after which another plan finishes what was begun."""
        for batch in self.batches:
            kernel.run(batch)

    def gone(self) -> frozenset[int]:
        """Returns the marks of the backends that get no packets from now on, or at another address."""
        if self.old is None:
            return frozenset()
        before, after = _targets(self.old), _targets(self.new)
        return frozenset(
            mark & FLOW_MASK
            for (mark, version), target in before.items()
            if not _is_same(target, after.get((mark, version)))
        )

    def pinned(self, farms: tuple[Farm, ...]) -> frozenset[int]:
        """Returns the marks of those of the gone that are UDP backends of a serving farm.

        Their flows must end at once: a client that asks again from the same port would be sent to them as long as its
        flow lives, and unanswered requests of TFTP fill the kernel's table of expectations.
        """
        marks = Marks(farms)
        serving = _serving(self.new)
        udp = {
            marks.backend(farm, backend.name) & FLOW_MASK
            for farm in farms
            if farm.protocol.transport == "udp" and marks.farm(farm) in serving
            for backend in farm.backends
        }
        return self.gone() & udp


def plan(farms: tuple[Farm, ...], words: Words, conditions: Conditions | None = None) -> Plan:
    """Compares the table that farms and words want with the one that the kernel has; it changes nothing.

    Conditions are given where a guardian has a say too.
    """
    new = compile_table(farms, words.conditions() if conditions is None else conditions, words.stopped_of(farms))
    found = kernel.read()
    if found is None:
        return Plan(None, new, (render(new),))
    if found.version is None or found.version != kernel.VERSION:
        return Plan(None, new, (f"delete table inet {TABLE}\n{render(new)}",), is_foreign=True)
    return Plan(found.table, new, tuple(transactions(found.table, new)))


def describe(change: Plan, farms: tuple[Farm, ...]) -> list[str]:
    """Says in words what a plan changes, a line for each farm or backend."""
    if change.is_foreign:
        return ["the table of another version is replaced as a whole"]
    if change.old is None:
        return [f"the table is made, with {len(farms)} farm{'s' * (len(farms) != 1)}"]
    names = _names(change.old, change.new, farms)
    return [*_services(change.old, change.new, names), *_backends(change.old, change.new, names)] or (
        ["details only: see the nft text"] if change.batches else []
    )


def shares(table: Table) -> dict[int, tuple[int, int]]:
    """Returns how many slots each backend has, of how many of its farm, by mark; of the family where it has most."""
    found: dict[int, tuple[int, int]] = {}
    for name in ("slot4", "slot6"):
        counts: dict[int, int] = {}
        totals: dict[int, int] = {}
        for key, value in table.of(name).items():
            base = int(key.partition(" ")[0], 16)
            totals[base] = totals.get(base, 0) + 1
            mark = int(value, 16)
            counts[mark] = counts.get(mark, 0) + 1
        for mark, count in counts.items():
            share = count, totals.get(mark & ~BACKEND_MASK, count)
            found[mark] = max(found.get(mark, (0, 1)), share)
    return found


def _targets(table: Table) -> dict[tuple[int, int], tuple[str, str]]:
    """Returns address and port of each backend by mark and IP version; the port is "" where the client's is kept."""
    found = {}
    for version in (4, 6):
        for kind in ("host", "backend"):
            for mark, target in table.of(f"{kind}{version}").items():
                address, _, port = target.partition(" . ")
                found[int(mark, 16), version] = address, port
    return found


def _is_same(one: tuple[str, str], other: tuple[str, str] | None) -> bool:
    return other is not None and one[0] == other[0] and (one[1] == other[1] or not (one[1] and other[1]))


def _names(old: Table, new: Table, farms: tuple[Farm, ...]) -> Mapping[int, str]:
    names = {int(mark, 16): name for mark, name in (*old.names.items(), *new.names.items())}
    for mark, name in list(names.items()):
        names[mark & ~BACKEND_MASK] = name.partition("/")[0]
    marks = Marks(farms)
    return names | {marks.farm(farm): farm.name for farm in farms}


def _services(old: Table, new: Table, names: Mapping[int, str]) -> list[str]:
    lines = []
    for version in (4, 6):
        before, after = old.of(f"service{version}"), new.of(f"service{version}")
        for service in sorted(before.keys() | after.keys()):
            if before.get(service) == after.get(service):
                continue
            owner = new.of(f"farm{version}").get(service) or old.of(f"farm{version}").get(service)
            whose = f" of farm {names.get(int(owner, 16), owner)}" if owner else ""
            shown = service.replace(" . ", " ")
            if service not in after:
                lines.append(f"service {shown}{whose}: removed")
            elif after[service] == "goto refuse":
                lines.append(f"service {shown}{whose}: refuses its clients")
            elif service not in before:
                lines.append(f"service {shown}{whose}: added")
            elif before[service] == "goto refuse":
                lines.append(f"service {shown}{whose}: serves its clients again")
            else:
                lines.append(f"service {shown}{whose}: {before[service]} becomes {after[service]}")
    return lines


def _backends(old: Table, new: Table, names: Mapping[int, str]) -> list[str]:
    before, after = _where(old), _where(new)
    shares_before, shares_after = shares(old), shares(new)
    serving = _serving(old) & _serving(new)
    lines = []
    for mark in before.keys() | after.keys() | shares_before.keys() | shares_after.keys():
        if mark & ~BACKEND_MASK not in serving:
            # Farms that come, go or stop have their services told.
            continue
        name = names.get(mark, f"{mark:#010x}")
        changes = []
        if before.get(mark) != after.get(mark):
            if mark not in after:
                changes.append("gets no connections any more")
            elif mark not in before:
                changes.append(f"added as {after[mark]}")
            else:
                changes.append(f"{before[mark]} becomes {after[mark]}")
        one, other = _percent(shares_before.get(mark)), _percent(shares_after.get(mark))
        if one != other:
            changes.append(f"new clients {one} -> {other}")
        if changes:
            lines.append(f"backend {name}: {', '.join(changes)}")
    return sorted(lines)


def _serving(table: Table) -> set[int]:
    return {int(mark, 16) for name in ("farm4", "farm6") for mark in table.of(name).values()}


def _where(table: Table) -> dict[int, str]:
    """Returns the addresses of each backend by mark."""
    found: dict[int, list[str]] = {}
    for name in _BACKENDS:
        for mark, address in table.of(name).items():
            found.setdefault(int(mark, 16), []).append(address.replace(" . ", " port "))
    return {mark: ", ".join(sorted(set(addresses))) for mark, addresses in found.items()}


def _percent(share: tuple[int, int] | None) -> str:
    return f"{100 * share[0] / share[1]:.0f} %" if share else "none"
