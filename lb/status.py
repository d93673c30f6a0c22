"""The current status of the farms, from the kernel's table, its flows and the operator's overrides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .farm import Backend, BackendState, Farm
from .farm_status import BackendStatus, BackendView, FarmStatus
from .nft.marks import Marks
from .nft.observed import Facts, facts_of
from .nft.table import Snapshot
from .overrides import Overrides


def statuses(
    farms: tuple[Farm, ...],
    overrides: Overrides,
    found: Snapshot | None,
    flows: Mapping[int, int] | None,
    views: Mapping[tuple[str, str], BackendView] | None = None,
) -> tuple[FarmStatus, ...]:
    """Returns the status of all farms; flows are counts by noidlb's bits of the mark, None when they are unknown.

    views are the guardian's views by farm and backend name.
    """
    each = each_status(farms, overrides, facts_of(found), flows, lambda *place: (views or {}).get(place))
    return tuple(status for status in each if status is not None)


def each_status(
    farms: tuple[Farm, ...],
    overrides: Overrides,
    facts: Facts,
    flows: Mapping[int, int] | None,
    view_of: Callable[[str, str], BackendView | None],
) -> Iterator[FarmStatus | None]:
    """Yields the status of one farm after another, and None after each backend, so that the caller can run checks."""
    marks = Marks(farms)
    for farm in farms:
        numbers = marks.backends(farm)
        states = {f"ipv{version}": _family_state(farm, facts, numbers, version) for version in farm.versions}
        state = next(iter(states.values())) if len(set(states.values())) == 1 else "partial"
        backends = []
        for one in farm.backends:
            seen = view_of(farm.name, one.name)
            backends.append(_backend(farm, one, state, overrides, facts, flows, numbers[one.name], seen))
            yield None
        yield FarmStatus(
            name=farm.name,
            protocol=farm.protocol.value,
            mode=farm.mode.value,
            services=tuple(f"{transport} {vip} {port}" for transport, vip, port in farm.services),
            state=state,
            backends=tuple(backends),
            families=states,
        )


def _family_state(farm: Farm, facts: Facts, marks: Mapping[str, int], version: int) -> str:
    services = [service for service in farm.services if service[1].version == version]
    found = (facts.services.get(" . ".join(map(str, service)), "") for service in services)
    # Verdicts such as accept are another program's, and lead no client to the farm.
    verdicts = {verdict for verdict in found if verdict.startswith("goto ")}
    if not verdicts:
        return "absent"
    if verdicts == {"goto refuse"}:
        return "stopped"
    shares = facts.shares[version]
    return "serving" if any(mark in shares for mark in marks.values()) else "refusing"


def _backend(
    farm: Farm,
    one: Backend,
    farm_state: str,
    overrides: Overrides,
    facts: Facts,
    flows: Mapping[int, int] | None,
    mark: int,
    seen: BackendView | None,
) -> BackendStatus:
    word = overrides.states.get((farm.name, one.name))
    found = [facts.shares[version][mark] for version in (4, 6) if mark in facts.shares[version]]
    has, of = max(found, key=lambda share: share[0] / share[1], default=(0, 1))
    reachable = {version for version in farm.versions if mark in facts.reachable[version]}
    if farm_state in ("absent", "stopped"):
        state = farm_state
    elif found:
        state = "up"
    elif not reachable:
        state = "down"
    else:
        waits = one.backup and (word or one.state) is BackendState.UP
        state = "standby" if waits else "drain"
    lost = [version for version in farm.versions if one.address_of(version) and version not in reachable]
    return BackendStatus(
        name=one.name,
        address=tuple(map(str, one.address)),
        port=one.port,
        weight=one.weight,
        state=state,
        word=word.value if word else None,
        share=has / of,
        current=None if flows is None else flows.get(mark, 0),
        total=facts.totals.get(mark, 0),
        guardian=seen,
        lost=tuple(f"ipv{version}" for version in lost) if reachable else (),
    )
