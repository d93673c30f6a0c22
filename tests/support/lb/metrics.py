"""What a page of metrics shows."""

from __future__ import annotations

from ipaddress import ip_address

from noidlb.farm import Condition, Farm
from noidlb.guard import Guard
from noidlb.guardian.guardian import Counts
from noidlb.guardian.health import Health, LastResult
from noidlb.nft.compile import compile_table
from noidlb.nft.table import Snapshot
from noidlb.overrides import Overrides
from noidlb.service.metrics import MetricsSnapshot
from noidlb.status import statuses

from noidchecks.status.state import State
from noidchecks.timings import Timings
from tests.support.lb.farms import farm

V4 = (ip_address("10.10.0.100"),)

FARM = farm("ftp", count=2, guardian=Guard(), vip=V4)

COUNTS = Counts(
    transactions=7, failed_transactions=1, flips=3, targets=2, started=9, running=2, overdue=0, latest=0.001
)

INFO = {"version": "1.0", "farms": "0" * 64, "role": "master"}


def health(backend: str, state: str, command: str = "check_ftp -H HOST") -> Health:
    last = LastResult(State.OK, "FTP OK", Timings(0.25, {"connect": 0.125}))
    return Health(
        farm="ftp",
        backend=backend,
        address="192.0.2.1:21",
        command=command,
        state=state,
        note="",
        since=None,
        last=last if state != "unknown" else None,
        streak=1,
        flaps=2,
        probes=4,
    )


def view(
    *found: Health,
    flows: dict[int, int] | None = None,
    conditions: dict[tuple[str, str], Condition] | None = None,
    stopped: frozenset[str] = frozenset(),
    one: Farm = FARM,
    weights: dict[str, dict[str, int]] | None = None,
) -> MetricsSnapshot:
    table = Snapshot(1, compile_table((one,), conditions or {}, stopped))
    return MetricsSnapshot(
        statuses=list(statuses((one,), Overrides(), table, flows)),
        health=list(found),
        counts=COUNTS,
        info=INFO,
        others={"hook_runs": 5},
        weights=weights or {},
    )
