"""What the farms do at the moment, out of the kernel's table, its flows and the operator's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .farm import Backend, BackendState, Farm
from .guardian.desired import versions_of
from .nft.listing import Snapshot
from .nft.marks import Marks
from .nft.observed import Facts, facts_of
from .overrides import Overrides
from .role import Role

# Of what JSON holds: the names stay as long as it does.
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendView:
    """A backend as a running guardian sees it: unknown, up or down.

    reason says why it is down or in doubt, since (Unix seconds) when it last changed; seconds is the time that its
    last answer took, flaps counts its changes.
    """

    state: str
    reason: str = ""
    since: float | None = None
    seconds: float | None = None
    flaps: int = 0


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """A backend as the kernel treats it: up, drain, down, standby (a backup that waits), or what its farm is.

    share is the part of new clients that it gets, 0 to 1, in the IP version where it is largest; lost are the IP
    versions, as ipv4 and ipv6, in which the guardian has taken it out while it gets clients in the other. current
    counts its flows, data connections included; None when they cannot be counted. total counts the connections that it
    got since it was last put in the table. guardian is what a running guardian sees, None when none runs or it does not
    watch this farm.
    """

    name: str
    address: tuple[str, ...]
    port: int | None
    weight: int
    state: str
    word: str | None
    share: float
    current: int | None
    total: int
    guardian: BackendView | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FarmStatus:
    """A farm as the kernel treats it: serving, refusing (no backend is left), stopped, absent (not in the table).

    families says the same for each IP version of its VIPs, as ipv4 and ipv6; where they differ, state is partial.
    """

    name: str
    protocol: str
    mode: str
    services: tuple[str, ...]
    state: str
    backends: tuple[BackendStatus, ...]
    families: Mapping[str, str] = field(default_factory=dict)


def survey(
    farms: tuple[Farm, ...],
    words: Overrides,
    found: Snapshot | None,
    flows: Mapping[int, int] | None,
    sights: Mapping[tuple[str, str], BackendView] | None = None,
) -> tuple[FarmStatus, ...]:
    """Returns the status of all farms; flows are counts by noidlb's bits of the mark, None when they are unknown.

    sights are the guardian's views by farm and backend name.
    """
    each = each_status(farms, words, facts_of(found), flows, lambda *place: (sights or {}).get(place))
    return tuple(status for status in each if status is not None)


def each_status(
    farms: tuple[Farm, ...],
    words: Overrides,
    facts: Facts,
    flows: Mapping[int, int] | None,
    sight: Callable[[str, str], BackendView | None],
) -> Iterator[FarmStatus | None]:
    """Yields the status of one farm after another, and None after each backend, so that the caller can run checks."""
    marks = Marks(farms)
    for farm in farms:
        states: dict[str, str] = {}
        numbers = {}
        for one in farm.backends:
            numbers[one.name] = marks.backend(farm, one.name)
            yield None
        for version in versions_of(farm):
            states[f"ipv{version}"] = _family_state(farm, facts, numbers, version)
        state = next(iter(states.values())) if len(set(states.values())) == 1 else "partial"
        backends = []
        for one in farm.backends:
            seen = sight(farm.name, one.name)
            backends.append(_backend(farm, one, state, words, facts, flows, numbers[one.name], seen))
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


def to_json(statuses: tuple[FarmStatus, ...], role: Role, digest: str | None) -> str:
    """Writes the survey for programs, with the role of this balancer in its pair and the hash of its farms file."""
    return json.dumps({**to_document(statuses), "role": role.value, "digest": digest}, indent=1)


def to_document(statuses: tuple[FarmStatus, ...]) -> dict[str, Any]:
    """Returns the survey as JSON has it."""
    return {"version": VERSION, "farms": [farm_document(one) for one in statuses]}


def farm_document(status: FarmStatus) -> dict[str, Any]:
    """Returns what is known of a farm as JSON has it."""
    return {**_fields(status), "backends": [backend_document(one) for one in status.backends]}


def backend_document(status: BackendStatus) -> dict[str, Any]:
    """Returns what is known of a backend as JSON has it."""
    return {**_fields(status), "guardian": _fields(status.guardian) if status.guardian else None}


def _fields(value: FarmStatus | BackendStatus | BackendView) -> dict[str, Any]:
    # dataclasses.asdict() copies whatever is in it, and takes ten times as long.
    return {name: getattr(value, name) for name in value.__slots__}


def from_document(found: Mapping[str, Any]) -> tuple[FarmStatus, ...]:
    """Reads what to_document() has made, after JSON; ValueError."""
    try:
        return tuple(_read_farm(farm) for farm in found["farms"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no status: {type(error).__name__}: {error}") from error


def _read_farm(found: dict[str, Any]) -> FarmStatus:
    return FarmStatus(
        **{
            **found,
            "services": tuple(found["services"]),
            "backends": tuple(_read_backend(one) for one in found["backends"]),
        }
    )


def _read_backend(found: dict[str, Any]) -> BackendStatus:
    guardian = found.get("guardian")
    tuples = {"address": tuple(found["address"]), "lost": tuple(found.get("lost", ()))}
    return BackendStatus(**{**found, **tuples, "guardian": BackendView(**guardian) if guardian else None})


def _family_state(farm: Farm, facts: Facts, marks: Mapping[str, int], version: int) -> str:
    services = [service for service in farm.services if service[1].version == version]
    verdicts = {facts.services.get(" . ".join(map(str, service))) for service in services}
    if verdicts <= {None}:
        return "absent"
    if verdicts <= {None, "goto refuse"}:
        return "stopped"
    shares = facts.shares[version]
    return "serving" if any(mark in shares for mark in marks.values()) else "refusing"


def _backend(
    farm: Farm,
    one: Backend,
    farm_state: str,
    words: Overrides,
    facts: Facts,
    flows: Mapping[int, int] | None,
    mark: int,
    seen: BackendView | None,
) -> BackendStatus:
    word = words.states.get((farm.name, one.name))
    found = [facts.shares[version][mark] for version in (4, 6) if mark in facts.shares[version]]
    has, of = max(found, key=lambda share: share[0] / share[1], default=(0, 1))
    reachable = {version for version in versions_of(farm) if mark in facts.reachable[version]}
    if farm_state in ("absent", "stopped"):
        state = farm_state
    elif found:
        state = "up"
    elif not reachable:
        state = "down"
    else:
        waits = one.backup and (word or one.state) is BackendState.UP
        state = "standby" if waits else "drain"
    lost = [version for version in versions_of(farm) if one.address_of(version) and version not in reachable]
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
