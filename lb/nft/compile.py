"""Compiles farms and the conditions of their backends to the nftables table: pure, deterministic, no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..address import IPAddress
from ..farm import Backend, BackendState, Condition, Conditions, Farm, Mode, Scheduler
from .marks import Marks
from .skeleton import POSTROUTING, REMEMBER, pick_chain, postrouting, remember_chains, sticky_chain
from .slots import fill, serving_weights, slot_count
from .table import Table, mark_text

_PICK = {
    Scheduler.ROUND_ROBIN: "rr",
    Scheduler.LEAST_CONNECTIONS: "rr",
    Scheduler.RANDOM: "random",
    Scheduler.SOURCE_HASH: "hash",
}
_AS_CONFIGURED = {state: Condition(state) for state in BackendState}


@dataclass(slots=True)
class _Draft:
    marks: Marks
    conditions: Conditions
    chains: dict[str, str] = field(default_factory=dict)
    elements: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def table(self, names: Mapping[int, str]) -> Table:
        named = {mark_text(mark): name for mark, name in names.items()}
        return Table(self.chains, dict(self.elements), named, self.marks.layout)


def compile_table(
    farms: tuple[Farm, ...], conditions: Conditions | None = None, stopped: frozenset[str] = frozenset()
) -> Table:
    """Returns the table for the farms; a stopped farm refuses its clients."""
    draft = _Draft(Marks(farms), conditions or {})
    for farm in farms:
        _add_farm(draft, farm, refused=farm.name in stopped)
    return draft.table(draft.marks.names)


def compile_farm(marks: Marks, farm: Farm, conditions: Conditions, *, refused: bool = False) -> Table:
    """Returns the part of the table that belongs to one farm; a stopped one refuses its clients.

    The chains depend on the configuration alone. Two such parts of the same farm therefore differ in map elements only,
    and one transaction, whose size does not depend on the number of farms, turns one into the other.
    """
    draft = _Draft(marks, conditions)
    _add_farm(draft, farm, refused=refused)
    return draft.table({mark: f"{farm.name}/{name}" for name, mark in marks.backends(farm).items()})


def condition_of(farm: Farm, backend: Backend, conditions: Conditions) -> Condition:
    """Returns the condition of a backend; the configured state where conditions has no entry."""
    return conditions.get((farm.name, backend.name)) or _AS_CONFIGURED[backend.state]


def _add_farm(draft: _Draft, farm: Farm, *, refused: bool) -> None:
    _add_services(draft, farm, refused=refused)
    _add_limits(draft, farm)
    _add_data_ports(draft, farm)
    _add_checks(draft, farm)
    if refused:
        return
    _add_backends(draft, farm)
    for version in farm.versions:
        _add_slots(draft, farm, version)


def _add_services(draft: _Draft, farm: Farm, *, refused: bool) -> None:
    mark = mark_text(draft.marks.farm(farm))
    for transport, vip, port in farm.services:
        version = vip.version
        key = f"{transport} . {vip} . {port}"
        if refused:
            draft.elements[f"service{version}"][key] = "goto refuse"
            continue
        chain = f"plain{version}"
        if farm.sticky is not None:
            chain, rules = sticky_chain(version, farm.sticky, draft.marks.layout)
            draft.chains[chain] = rules
        draft.elements[f"service{version}"][key] = f"goto {chain}"
        draft.elements[f"farm{version}"][key] = mark
        if farm.helper:
            draft.elements[f"{farm.helper}{version}"][f"{vip} . {port}"] = ""
        _add_source(draft, farm, version, key)
    if farm.sticky is not None and farm.protocol.transport == "tcp" and not refused:
        draft.chains |= remember_chains(farm.sticky, draft.marks.layout)
        draft.elements["remember"][mark] = f"jump {REMEMBER}-{farm.sticky}"


def _add_source(draft: _Draft, farm: Farm, version: int, key: str, kind: str = "") -> None:
    """Adds the source address that backends see for connections to this VIP and port; nothing in mode dnat."""
    if farm.mode is not Mode.SNAT:
        return
    draft.chains[POSTROUTING] = postrouting()
    source = farm.source_of(version)
    if source is None:
        draft.elements[f"masq{kind}{version}"][key] = ""
    else:
        draft.elements[f"source{kind}{version}"][key] = str(source)


def _add_limits(draft: _Draft, farm: Farm) -> None:
    """Adds the connection limit; also for a stopped farm, because the kernel counts as long as the element is there."""
    # The kernel does not see the end of a UDP transfer: finished ones would count for another 30 s to 2 min.
    if farm.connection_limit is not None and farm.protocol.transport == "tcp":
        limit = str(farm.connection_limit)
        draft.elements["full"] |= {mark_text(mark): limit for mark in draft.marks.backends(farm).values()}


def _add_backends(draft: _Draft, farm: Farm) -> None:
    marks, versions = draft.marks.backends(farm), farm.versions
    for backend in farm.backends:
        mark = mark_text(marks[backend.name])
        first, *others = farm.ports_of(backend)
        for address in backend.address:
            if address.version not in versions or _is_down(draft, farm, backend, address.version):
                continue
            if others:
                draft.elements[f"host{address.version}"][mark] = str(address)
            else:
                draft.elements[f"backend{address.version}"][mark] = f"{address} . {first}"


def _add_data_ports(draft: _Draft, farm: Farm) -> None:
    """Adds the elements for FTPS data connections; also for a stopped farm, whose open sessions may start new ones."""
    if not farm.ftps and not any(backend.passive_ports for backend in farm.backends):
        return
    for backend in farm.backends:
        for vip in farm.vip:
            address = backend.address_of(vip.version)
            if address is not None:
                _add_passive(draft, farm, backend, vip, address)
                _add_active(draft, farm, backend, vip, address)


def _add_checks(draft: _Draft, farm: Farm) -> None:
    """Adds the destinations of the guardian's checks, also of backends that are down and of a stopped farm."""
    if farm.guardian is None or not farm.helper:
        return
    for backend in farm.backends:
        for address in backend.address:
            for port in farm.ports_of(backend):
                draft.elements[f"{farm.helper}check{address.version}"][f"{address} . {port}"] = ""


def _is_down(draft: _Draft, farm: Farm, backend: Backend, version: int) -> bool:
    condition = condition_of(farm, backend, draft.conditions)
    return condition.state is BackendState.DOWN or version in condition.lost


def _add_passive(draft: _Draft, farm: Farm, backend: Backend, vip: IPAddress, address: IPAddress) -> None:
    if backend.passive_ports is None:
        return
    mark = mark_text(draft.marks.backend(farm, backend.name))
    low, high = backend.passive_ports
    key = f"{vip} . {low}-{high}" if low < high else f"{vip} . {low}"
    # The range of a down backend stays, so that its clients are refused and never reach a daemon of the balancer.
    draft.elements[f"range{vip.version}"][key] = f"goto passive{vip.version}"
    draft.elements[f"passive{vip.version}"][key] = mark
    _add_source(draft, farm, vip.version, key, "range")
    if not _is_down(draft, farm, backend, vip.version):
        # Not in host, whose counters tell the number of clients.
        draft.elements[f"hostrange{vip.version}"][mark] = str(address)


def _add_active(draft: _Draft, farm: Farm, backend: Backend, vip: IPAddress, address: IPAddress) -> None:
    if "active" not in farm.ftps:
        return
    draft.chains[POSTROUTING] = postrouting()
    mark = mark_text(draft.marks.backend(farm, backend.name))
    for port in farm.active_ports(backend):
        key = f"{address} . {port}"
        # A data connection does not show to which of the farms or backends on a server it belongs: the first one wins.
        draft.elements[f"activeport{vip.version}"][key] = f"goto active{vip.version}"
        draft.elements[f"active{vip.version}"].setdefault(key, mark)
        draft.elements[f"sourceactive{vip.version}"].setdefault(key, str(vip))


def _add_slots(draft: _Draft, farm: Farm, version: int) -> None:
    weights = {}
    for backend in farm.backends:
        condition = condition_of(farm, backend, draft.conditions)
        if condition.state is BackendState.UP and version not in condition.lost and backend.address_of(version):
            weights[backend.name] = backend.weight if condition.weight is None else condition.weight
    chain, rule = pick_chain(_PICK[farm.scheduler], version, slot_count(farm), draft.marks.lanes[farm.name])
    draft.chains[chain] = rule
    slots = fill(farm, serving_weights(farm.backends, weights), version)
    if not slots:
        # No backend serves: a farm without an element in the pick map refuses its clients.
        return
    mark = mark_text(draft.marks.farm(farm))
    draft.elements[f"pick{version}"][mark] = f"jump {chain}"
    marks = draft.marks.backends(farm)
    backends = {name: mark_text(marks[name]) for name in set(slots)}
    draft.elements[f"slot{version}"] |= {f"{mark} . {number}": backends[name] for number, name in enumerate(slots)}
