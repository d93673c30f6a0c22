from __future__ import annotations

from noidlb.guard import Guard
from noidlb.guardian.guardian import Counts
from noidlb.guardian.health import Health
from noidlb.nft.marks import Marks
from noidlb.service.metrics import MetricsSnapshot, write

from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.timings import Timings
from tests.support.lb.farms import farm

FARM = farm("ftp", count=2, guardian=Guard())
COUNTS = Counts(
    transactions=7, failed_transactions=1, flips=3, targets=2, started=9, running=2, overdue=0, latest=0.001
)

INFO = {"version": "1.0", "farms": "0" * 64, "role": "master"}


def health(backend: str, state: str, command: str = "check_ftp -H HOST") -> Health:
    last = Result(State.OK, "FTP OK", timings=Timings(0.25, {"connect": 0.125}))
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
        weight=None,
    )


def view(*found: Health, flows: dict[int, int] | None = None) -> MetricsSnapshot:
    return MetricsSnapshot(farms=(FARM,), health=found, counts=COUNTS, flows=flows, info=INFO, others={"hook_runs": 5})


def test_the_page() -> None:
    lines = write(view(health("b1", "up"), health("b2", "unknown"))).splitlines()
    labels = 'farm="ftp",backend="b1",address="192.0.2.1:21",probe="check_ftp -H HOST"'
    assert f"noidlb_backend_up{{{labels}}} 1" in lines
    assert f"noidlb_backend_flaps_total{{{labels}}} 2" in lines
    assert f'noidlb_probe_duration_seconds{{{labels},phase="connect"}} 0.125000' in lines
    assert f'noidlb_probe_duration_seconds{{{labels},phase="all"}} 0.250000' in lines
    assert f'noidlb_info{{version="1.0",farms="{"0" * 64}",role="master"}} 1' in lines
    assert "noidlb_transactions_total 7" in lines
    assert "noidlb_hook_runs_total 5" in lines
    # One without a result is neither up nor down.
    assert not [line for line in lines if line.startswith("noidlb_backend_up") and "b2" in line]


def test_each_family_has_one_head_and_stands_together() -> None:
    lines = write(view(health("b1", "up"), health("b2", "down"))).splitlines()
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    names = [line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")]
    assert list(dict.fromkeys(names)) == heads


def test_connections_are_those_of_the_marks() -> None:
    mark = Marks((FARM,)).backend(FARM, "b2")
    page = write(view(flows={mark: 12}))
    assert 'noidlb_connections{farm="ftp",backend="b1"} 0\n' in page
    assert 'noidlb_connections{farm="ftp",backend="b2"} 12\n' in page
    # When nobody can count, nothing is claimed.
    assert "noidlb_connections" not in write(view())


def test_labels_are_escaped() -> None:
    page = write(view(health("b1", "up", command='a "quoted" \\ and\nnew')))
    assert r'probe="a \"quoted\" \\ and\nnew"' in page
