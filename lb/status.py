"""What the farms do at the moment, out of the kernel's table, its flows and the operator's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from noidchecks.status.text import printable

from .events import stamp
from .farm import Backend, BackendState, Farm
from .nft.listing import Snapshot
from .nft.marks import Marks
from .nft.plan import shares
from .nft.table import Table
from .overrides import Overrides
from .role import Role

_HEAD = ("FARM", "BACKEND", "ADDRESS", "STATE", "WEIGHT", "SHARE", "CURRENT", "TOTAL", "GUARDIAN", "")
# The columns of numbers.
_RIGHT = range(4, 8)


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

    share is the part of new clients that it gets, 0 to 1. current counts its flows, data connections included; None
    when they cannot be counted. total counts the connections that it got since it was last put in the table. guardian
    is what a running guardian sees, None when none runs or it does not watch this farm.
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


@dataclass(frozen=True, slots=True)
class FarmStatus:
    """A farm as the kernel treats it: serving, refusing (no backend is left), stopped, absent (not in the table)."""

    name: str
    protocol: str
    mode: str
    services: tuple[str, ...]
    state: str
    backends: tuple[BackendStatus, ...]


def survey(
    farms: tuple[Farm, ...], words: Overrides, found: Snapshot | None, flows: Mapping[int, int] | None
) -> tuple[FarmStatus, ...]:
    """Puts together what is known; flows are by our part of their marks, None when nobody could count them."""
    table = found.table if found is not None else Table()
    view = _View(
        words=words,
        services={**table.of("service4"), **table.of("service6")},
        shares=shares(table),
        reachable=frozenset(
            int(mark, 16) for name in ("backend4", "backend6", "host4", "host6") for mark in table.of(name)
        ),
        totals=found.totals if found is not None else {},
        flows=flows,
    )
    marks = Marks(farms)
    return tuple(_farm(view, farm, marks) for farm in farms)


def to_json(statuses: tuple[FarmStatus, ...], role: Role, digest: str | None) -> str:
    """Writes the survey for programs, with the role of this balancer in its pair and the hash of its farms file."""
    return json.dumps({**to_document(statuses), "role": role.value, "digest": digest}, indent=1)


def to_document(statuses: tuple[FarmStatus, ...]) -> dict[str, Any]:
    """Returns the survey as JSON has it."""
    return {"version": 1, "farms": [asdict(one) for one in statuses]}


def from_document(found: Mapping[str, Any]) -> tuple[FarmStatus, ...]:
    """Reads what to_document() has made, after JSON; ValueError."""
    try:
        return tuple(_read_farm(farm) for farm in found["farms"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no status: {type(error).__name__}: {error}") from error


def seen(statuses: tuple[FarmStatus, ...], sights: Mapping[tuple[str, str], BackendView]) -> tuple[FarmStatus, ...]:
    """Adds what a guardian sees, by farm and backend name."""
    return tuple(
        replace(farm, backends=tuple(replace(one, guardian=sights.get((farm.name, one.name))) for one in farm.backends))
        for farm in statuses
    )


def to_table(statuses: tuple[FarmStatus, ...]) -> str:
    """Writes the survey for people: a line for each farm with its sums, and one for each of its backends."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for farm in statuses:
        current = [one.current for one in farm.backends if one.current is not None]
        total = sum(one.total for one in farm.backends)
        sums = str(sum(current)) if current else "?", str(total)
        services = f"{farm.services[0]}{' ...' if len(farm.services) > 1 else ''}"
        rows.append((farm.name, farm.protocol, services, farm.state, "", "", *sums, "", ""))
        rows.extend(("", *_row(one)) for one in farm.backends)
    if not any(one.guardian for farm in statuses for one in farm.backends):
        # Nobody watches: a column less.
        rows = [(*row[:-2], row[-1]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in _RIGHT else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _row(one: BackendStatus) -> tuple[str, ...]:
    port = f" port {one.port}" if one.port else ""
    return (
        one.name,
        f"{', '.join(one.address)}{port}",
        one.state,
        str(one.weight),
        f"{100 * one.share:.0f} %",
        "?" if one.current is None else str(one.current),
        str(one.total),
        _sight(one.guardian),
        "; ".join(filter(None, (f"operator: {one.word}" if one.word else "", _reason(one.guardian)))),
    )


def _sight(seen: BackendView | None) -> str:
    if seen is None:
        return ""
    return seen.state if seen.seconds is None else f"{seen.state} {seen.seconds:.3f}s"


def _reason(seen: BackendView | None) -> str:
    if seen is None or not seen.reason:
        return ""
    since = f"since {stamp(seen.since)[:19]}Z: " if seen.since is not None and seen.state == "down" else ""
    return printable(f"{since}{seen.reason}", 200)


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
    return BackendStatus(
        **{**found, "address": tuple(found["address"]), "guardian": BackendView(**guardian) if guardian else None}
    )


def _farm(view: _View, farm: Farm, marks: Marks) -> FarmStatus:
    backends = tuple(view.backend(farm, one, marks.backend(farm, one.name)) for one in farm.backends)
    state = view.farm_state(farm)
    if state == "serving" and not any(one.share for one in backends):
        state = "refusing"
    return FarmStatus(
        name=farm.name,
        protocol=farm.protocol.value,
        mode=farm.mode.value,
        services=tuple(f"{transport} {vip} {port}" for transport, vip, port in farm.services),
        state=state,
        backends=backends,
    )


@dataclass(frozen=True, slots=True)
class _View:
    """What there is to know, looked up by mark and by service."""

    words: Overrides
    services: Mapping[str, str]
    shares: Mapping[int, tuple[int, int]]
    reachable: frozenset[int]
    totals: Mapping[int, int]
    flows: Mapping[int, int] | None

    def farm_state(self, farm: Farm) -> str:
        verdicts = {self.services.get(" . ".join(map(str, service))) for service in farm.services}
        if verdicts <= {None}:
            return "absent"
        return "stopped" if verdicts <= {None, "goto refuse"} else "serving"

    def backend_state(self, farm: Farm, one: Backend, mark: int) -> str:
        state = self.farm_state(farm)
        if state != "serving":
            return state
        if mark in self.shares:
            return "up"
        if mark not in self.reachable:
            return "down"
        waits = one.backup and (self.words.states.get((farm.name, one.name)) or one.state) is BackendState.UP
        return "standby" if waits else "drain"

    def backend(self, farm: Farm, one: Backend, mark: int) -> BackendStatus:
        has, of = self.shares.get(mark, (0, 1))
        word = self.words.states.get((farm.name, one.name))
        return BackendStatus(
            name=one.name,
            address=tuple(map(str, one.address)),
            port=one.port,
            weight=one.weight,
            state=self.backend_state(farm, one, mark),
            word=word.value if word else None,
            share=has / of,
            current=None if self.flows is None else self.flows.get(mark, 0),
            total=self.totals.get(mark, 0),
        )
