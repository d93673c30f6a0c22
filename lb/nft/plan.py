"""Plans the change from the kernel's table to the one that farms and overrides want, and describes it in words.

The whole of noidlb changes the kernel by this one comparison: compile the desired table, read the kernel's, and run the
difference. After an interruption the next plan contains the rest, so no state is kept between two changes. A table of
another version, with other mark bits or with changed rules cannot be compared element by element: it is replaced as a
whole, in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..farm import Conditions, Farm
from ..overrides import Overrides
from . import nft as kernel
from .compile import compile_table
from .marks import Marks
from .skeleton import TABLE, VERSION
from .table import Snapshot, Table, mark_text, render, transactions


@dataclass(frozen=True, slots=True)
class Plan:
    """The transactions, in order, that turn the kernel's table into the new one; none when they are equal.

    old is None when the kernel has no table that can be read; foreign says why an existing one is replaced as a whole.
    is_whole says that the kernel's table is afterwards exactly the one that farms and overrides want.
    """

    old: Table | None
    new: Table
    batches: tuple[str, ...]
    foreign: str = ""
    is_whole: bool = True

    def run(self) -> None:
        """Runs the transactions; after a KernelError, another plan does what is left."""
        for batch in self.batches:
            kernel.run(batch)


def plan(
    farms: tuple[Farm, ...],
    overrides: Overrides,
    conditions: Conditions | None = None,
    *,
    before: Overrides | None = None,
    part: Callable[[Table], Table] | None = None,
) -> Plan:
    """Compares the kernel's table with the one that farms and overrides want; changes nothing.

    conditions, if given, are the guardian's merged ones and replace the states of the overrides. before, if given, are
    overrides for which the kernel is known to have the table of these farms; it is not read then. part is as in
    compare().
    """
    wanted = overrides.conditions() if conditions is None else conditions
    found = kernel.read() if before is None else known(farms, before.conditions(), before.stopped_of(farms))
    return compare(found, compile_table(farms, wanted, overrides.stopped_of(farms)), part)


def known(farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> Snapshot:
    """Returns the snapshot of a kernel that is known to have the table of these farms and conditions."""
    return Snapshot(VERSION, compile_table(farms, conditions, stopped))


def compare(found: Snapshot | None, new: Table, part: Callable[[Table], Table] | None = None) -> Plan:
    """Returns the plan from the found table to the new one.

    part, where given, computes the wanted table from the found one, for changes of one backend or farm (narrow.py); the
    new table is then used only when the found one must be replaced as a whole.
    """
    if found is None:
        return Plan(None, new, (render(new),))
    if foreign := _foreign_of(found, new):
        old = found.table if found.version == VERSION else None
        return Plan(old, new, (f"delete table inet {TABLE}\n{render(new)}",), foreign)
    wanted = new if part is None else part(found.table)
    return Plan(found.table, wanted, tuple(transactions(found.table, wanted)), is_whole=part is None or wanted == new)


def _foreign_of(found: Snapshot, new: Table) -> str:
    """Says why the found table must be replaced as a whole; "" when it can be changed."""
    if found.damage:
        return f"the table is not as noidlb has made it ({found.damage})"
    if found.version != VERSION:
        return "the table is of another version"
    return "the table has other bits for its marks" if found.table.layout != new.layout else ""


def describe(change: Plan, farms: tuple[Farm, ...], names: tuple[str, ...] = ()) -> list[str]:
    """Says in words what a plan changes, a line for each farm or backend; names are as in plan_backend()."""
    if change.foreign:
        return [f"{change.foreign}: it is replaced as a whole"]
    if change.old is None:
        return [f"the table is made, with {len(farms)} farm{'s' * (len(farms) != 1)}"]
    told = _names(change.old, change.new, Marks(farms, names))
    return [*_services(change.old, change.new, told), *_backends(change.old, change.new, told)] or (
        ["details only, such as a limit or the scheduler: diff prints them as nft text"] if change.batches else []
    )


def difference(change: Plan, farms: tuple[Farm, ...]) -> list[str]:
    """Writes a plan line by line: in words, as comments, and then as the nft text of its transactions."""
    lines = [f"# {line}" for line in describe(change, farms)] if change.batches else ["nothing to change"]
    for number, batch in enumerate(change.batches, 1):
        lines += [f"# transaction {number} of {len(change.batches)}", *batch.splitlines()]
    return lines


def shares(table: Table) -> dict[int, tuple[int, int]]:
    """Returns the slots of each backend and of its farm by mark, from the IP family where its share is largest."""
    found: dict[int, tuple[int, int]] = {}
    for version in (4, 6):
        for mark, share in table.shares(version).items():
            found[mark] = max(found.get(mark, (0, 1)), share)
    return found


def _names(old: Table, new: Table, marks: Marks) -> Mapping[int, str]:
    names = {int(mark, 16): name for mark, name in (*old.names.items(), *new.names.items())}
    for mark, name in list(names.items()):
        names[mark & ~new.layout.backend] = name.partition("/")[0]
    return names | {marks.farm(farm): farm.name for farm in marks.farms}


def _services(old: Table, new: Table, names: Mapping[int, str]) -> list[str]:
    lines = []
    for version in (4, 6):
        before, after = old.of(f"service{version}"), new.of(f"service{version}")
        for service in sorted(before.keys() | after.keys()):
            was, becomes = _mode(old, version, service), _mode(new, version, service)
            if before.get(service) == after.get(service) and was == becomes:
                continue
            owner = new.of(f"farm{version}").get(service) or old.of(f"farm{version}").get(service)
            whose = f" of farm {names.get(int(owner, 16), owner)}" if owner else ""
            shown = service.replace(" . ", " ")
            changes = []
            if service not in after:
                changes.append("removed")
            elif after[service] == "goto refuse":
                changes.append("refuses its clients")
            elif service not in before:
                changes.append("added")
            elif before[service] == "goto refuse":
                changes.append("serves its clients again")
            else:
                if before[service] != after[service]:
                    changes.append(f"{before[service]} becomes {after[service]}")
                if was != becomes:
                    changes.append(f"mode {was} becomes {becomes}")
            lines += [f"service {shown}{whose}: {change}" for change in changes]
    return lines


def _mode(table: Table, version: int, service: str) -> str:
    if service in table.of(f"masq{version}"):
        return "snat"
    source = table.of(f"source{version}").get(service)
    return f"snat from {source}" if source else "dnat"


def _backends(old: Table, new: Table, names: Mapping[int, str]) -> list[str]:
    before, after = _where(old), _where(new)
    shares_before, shares_after = shares(old), shares(new)
    serving = (old.serving(4) | old.serving(6)) & (new.serving(4) | new.serving(6))
    lines = []
    for mark in before.keys() | after.keys() | shares_before.keys() | shares_after.keys():
        if mark & ~new.layout.backend not in serving:
            # For a farm that is added, removed, stopped or started, the lines about its services are enough.
            continue
        name = names.get(mark, mark_text(mark))
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


def _where(table: Table) -> dict[int, str]:
    """Returns the addresses of each backend by mark."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for version in (4, 6):
        for mark, (address, port) in table.targets(version).items():
            found[mark].append(f"{address} port {port}" if port else address)
    return {mark: ", ".join(sorted(addresses)) for mark, addresses in found.items()}


def _percent(share: tuple[int, int] | None) -> str:
    return f"{100 * share[0] / share[1]:.0f} %" if share else "none"
