"""What a guardian has seen, for tests of what it shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from noidlb.farm_status import BackendStatus, BackendView, FarmStatus
from noidlb.guardian.guardian import Counts
from noidlb.guardian.health import Health, LastResult
from noidlb.service.history import History
from noidlb.service.metrics import MetricsSnapshot
from noidlb.service.page import PageView

from noidchecks.status.state import State
from noidchecks.timings import Timings

NOW = 1_800_000_000.0


def health(backend: str = "b1", state: str = "up", seconds: float = 0.01, **changes: Any) -> Health:
    """Returns what the guardian sees of a backend of farm f."""
    settings: dict[str, Any] = {
        "farm": "f",
        "backend": backend,
        "address": "192.0.2.1:21",
        "command": "check_ftp -H HOST",
        "state": state,
        "note": "",
        "since": None,
        "last": LastResult(State.OK, "FTP OK", Timings(seconds, {})),
        "streak": 0,
        "flaps": 0,
        "probes": 1,
    }
    return Health(**settings | changes)


def backend(name: str = "b1", state: str = "up", **changes: Any) -> BackendStatus:
    """Returns a backend that the kernel treats so; the guardian sees it up or down as its state says."""
    sight = "down" if state == "down" else "up"
    settings: dict[str, Any] = {
        "name": name,
        "address": ("10.0.1.11", "fd00:1::11"),
        "port": None,
        "weight": 1,
        "state": state,
        "word": None,
        "share": 0.5 if state == "up" else 0.0,
        "current": 12,
        "total": 100,
        "guardian": BackendView(state=sight, since=NOW - 125, reason="refused" if state == "down" else ""),
    }
    return BackendStatus(**settings | changes)


def farm(name: str = "f", *backends: BackendStatus, state: str = "serving", **changes: Any) -> FarmStatus:
    """Returns a farm that does so with new clients."""
    settings: dict[str, Any] = {
        "protocol": "ftp",
        "mode": "snat",
        "services": ("tcp 192.0.2.10 21",),
        "families": {"ipv4": state},
    }
    return FarmStatus(name=name, state=state, backends=backends, **settings | changes)


def seen(
    *farms: FarmStatus,
    watched: Sequence[Health] = (),
    weights: Mapping[str, Mapping[str, int]] | None = None,
    **changes: Any,
) -> PageView:
    """Returns what the page shows."""
    info = {"version": "1.0", "farms": "0" * 64, "role": "alone"}
    snapshot = MetricsSnapshot(
        statuses=list(farms), health=list(watched), counts=Counts(), info=info, weights=weights or {}
    )
    return PageView(**{"snapshot": snapshot, "history": History(), "now": NOW, **changes})
