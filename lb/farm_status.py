"""The status of farms and their backends as values, and as the JSON documents that hold it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from .role import Role

# The version of the JSON documents, whose names do not change within a version.
VERSION = 1


class BackendView(NamedTuple):
    """A backend as a running guardian sees it: unknown, up or down.

    reason says why it is down or in doubt, since (Unix seconds) when it last changed; seconds is the time that its
    last answer took, flaps counts its changes.
    """

    state: str
    reason: str = ""
    since: float | None = None
    seconds: float | None = None
    flaps: int = 0


class BackendStatus(NamedTuple):
    """A backend as the kernel treats it: up, drain, down, standby (a waiting backup); stopped or absent as its farm is.

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

    @property
    def place(self) -> str:
        """The addresses, and the port where it has its own, for people."""
        return ", ".join(self.address) + (f" port {self.port}" if self.port else "")

    @property
    def loss(self) -> str:
        """The IP versions in which it gets no clients though it does in the other, for people; "" for none."""
        return f"no clients over {', '.join(map(_shown, self.lost))}" if self.lost and self.state != "down" else ""


class FarmStatus(NamedTuple):
    """A farm as the kernel treats it: serving, refusing (no backend is left), stopped, absent (not in the table).

    families says the same for each IP version of its VIPs, as ipv4 and ipv6; where they differ, state is partial.
    """

    name: str
    protocol: str
    mode: str
    services: tuple[str, ...]
    state: str
    backends: tuple[BackendStatus, ...]
    families: Mapping[str, str]

    @property
    def current(self) -> int | None:
        """The flows of all backends; None when they cannot be counted."""
        counted = [one.current for one in self.backends if one.current is not None]
        return sum(counted) if counted else None

    @property
    def differences(self) -> str:
        """What each IP version of the VIPs does, for people; "" unless they differ."""
        if self.state != "partial":
            return ""
        return ", ".join(f"{_shown(name)} {state}" for name, state in sorted(self.families.items()))


def _shown(family: str) -> str:
    return family.replace("ip", "IP")


def to_json(statuses: tuple[FarmStatus, ...], role: Role, digest: str | None) -> str:
    """Writes the statuses for programs, with the role of this balancer in its pair and the hash of its farms file."""
    farms = [farm_document(one) for one in statuses]
    return json.dumps({"version": VERSION, "farms": farms, "role": role.value, "digest": digest}, indent=1)


def farm_document(status: FarmStatus) -> dict[str, Any]:
    """Returns the status of a farm as a JSON object."""
    return {**status._asdict(), "backends": [backend_document(one) for one in status.backends]}


def backend_document(status: BackendStatus) -> dict[str, Any]:
    """Returns the status of a backend as a JSON object."""
    return {**status._asdict(), "guardian": status.guardian._asdict() if status.guardian else None}


def from_document(found: Mapping[str, Any]) -> tuple[FarmStatus, ...]:
    """Reads the statuses that a guardian has written as JSON; ValueError."""
    try:
        return tuple(_read_farm(farm) for farm in found["farms"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no status: {type(error).__name__}: {error}") from error


def _read_farm(found: dict[str, Any]) -> FarmStatus:
    services, backends = tuple(found["services"]), tuple(map(_read_backend, found["backends"]))
    return FarmStatus(**{**found, "services": services, "backends": backends})


def _read_backend(found: dict[str, Any]) -> BackendStatus:
    guardian = found.get("guardian")
    tuples = {"address": tuple(found["address"]), "lost": tuple(found.get("lost", ()))}
    return BackendStatus(**{**found, **tuples, "guardian": BackendView(**guardian) if guardian else None})
