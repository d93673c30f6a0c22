"""Plans the change of one backend or one farm, and leaves the rest of the kernel's table as it is.

The table may differ from configuration and overrides: a guardian that no longer runs took backends out, or an apply
was interrupted. An override of one backend must not undo that for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..farm import Backend, BackendState, Condition, Conditions, Farm
from ..overrides import Overrides
from .compile import compile_farm, compile_table
from .marks import Marks
from .plan import Plan, plan
from .skeleton import POSTROUTING, REMEMBER
from .table import MAPS, Table, mark_text, transactions

# The maps whose keys begin with a mark; the keys of the others are VIPs and ports.
_BY_MARK = ("full", "host", "backend", "slot", "pick", "remember")


def plan_backend(
    farms: tuple[Farm, ...],
    overrides: Overrides,
    farm: Farm,
    backend: Backend,
    *,
    before: Overrides | None = None,
    names: tuple[str, ...] = (),
) -> Plan:
    """Plans the override of this backend; of the others, only their shares of the farm's new clients change.

    before is as in plan(). With it, no other farm is compiled, because none changes: farms may then hold this one only,
    and names are those of all farms in their order.
    """
    marks = Marks(farms, names)
    if before is None:
        return plan(farms, overrides, part=lambda old: _with_backend(old, marks, overrides, farm, backend))
    old, wanted = (
        compile_farm(marks, farm, one.conditions(), refused=bool(one.stopped_of((farm,))))
        for one in (before, overrides)
    )
    new = _with_backend(old, marks, overrides, farm, backend)
    return Plan(old, new, tuple(transactions(old, new)), is_whole=new == wanted)


def plan_farm(farms: tuple[Farm, ...], overrides: Overrides, farm: Farm, *, before: Overrides | None = None) -> Plan:
    """Plans the overrides of this farm; before is as in plan()."""
    return plan(farms, overrides, before=before, part=lambda old: _with_farm(old, farms, overrides, farm))


def _with_backend(old: Table, marks: Marks, overrides: Overrides, farm: Farm, backend: Backend) -> Table:
    base = marks.farm(farm)
    is_stopped = base not in old.serving(4) | old.serving(6)
    if is_stopped and not any(
        f"{how} . {vip} . {port}" in old.of(f"service{vip.version}") for how, vip, port in farm.services
    ):
        # The farm is not in the table: the override takes effect when it is.
        return old
    conditions = {**_conditions(old, marks, farm, overrides)}
    conditions[farm.name, backend.name] = Condition(overrides.state_of(farm, backend))
    own = mark_text(marks.backend(farm, backend.name))
    # A stopped farm keeps its passive ports, because its open sessions may need new data connections.
    new = compile_farm(marks, farm, conditions, refused=is_stopped)

    def is_changed(name: str, key: str) -> bool:
        if name.startswith(("slot", "pick")):
            return int(key.partition(" ")[0], 16) == base
        # The element is added or removed; a changed address is left for apply.
        return name.startswith(("backend", "host")) and key == own and (key in old.of(name)) != (key in new.of(name))

    return _patched(old, new, new.chains, is_changed)


def _with_farm(old: Table, farms: tuple[Farm, ...], overrides: Overrides, farm: Farm) -> Table:
    marks = Marks(farms)
    conditions = {**overrides.conditions(), **_conditions(old, marks, farm, overrides)}
    # The other farms are compiled as they are in the table: farms share chains, and a farm that refuses needs none.
    serving = old.serving(4) | old.serving(6)
    others = {one.name for one in farms if marks.farm(one) not in serving} - {farm.name}
    new = compile_table(farms, conditions, overrides.stopped_of((farm,)) | others)
    # Every element that the farm may have, whatever the states of its backends.
    part = compile_farm(marks, farm, {(farm.name, one.name): Condition(BackendState.UP) for one in farm.backends})
    layout, base = marks.layout, marks.farm(farm)

    def is_changed(name: str, key: str) -> bool:
        if name.startswith(_BY_MARK):
            return int(key.partition(" ")[0], 16) & layout.farm == base
        return key in part.of(name)

    return _patched(old, new, part.chains, is_changed)


def _conditions(old: Table, marks: Marks, farm: Farm, overrides: Overrides) -> Conditions:
    """Returns the conditions of a farm's backends as the table has them; {} when it does not serve the farm."""
    versions = [version for version in (4, 6) if marks.farm(farm) in old.serving(version)]
    if not versions:
        return {}
    slots = {mark for version in versions for mark in old.of(f"slot{version}").values()}
    found = {}
    for backend in farm.backends:
        mark = mark_text(marks.backend(farm, backend.name))
        reachable = {one for one in versions if mark in old.of(f"backend{one}") or mark in old.of(f"host{one}")}
        state = BackendState.DOWN
        if reachable:
            waits = backend.backup and overrides.state_of(farm, backend) is BackendState.UP
            state = BackendState.UP if mark in slots or waits else BackendState.DRAIN
        found[farm.name, backend.name] = Condition(state, lost=frozenset(set(versions) - reachable))
    return found


def _patched(old: Table, new: Table, own: Collection[str], is_changed: Callable[[str, str], bool]) -> Table:
    """Returns the old table with the changed elements and the farm's own chains taken from the new one."""
    elements = {}
    for name in MAPS:
        pairs = {key: value for key, value in old.of(name).items() if not is_changed(name, key)}
        pairs |= {key: value for key, value in new.of(name).items() if is_changed(name, key)}
        if pairs:
            elements[name] = pairs
    led_to = {value.partition(" ")[2] for name in elements for value in elements[name].values()}
    if "remember" in elements:
        led_to.add(REMEMBER)
    if any(name.startswith(("source", "masq", "active")) for name in elements):
        led_to.add(POSTROUTING)
    # A farm that serves has its chains even when no backend does.
    chains = {name: rules for name, rules in old.chains.items() if name in led_to or name not in own}
    chains |= {name: new.chains[name] for name in own if name in new.chains}
    return Table(chains, elements, {**old.names, **new.names}, old.layout)
