from __future__ import annotations

from dataclasses import replace
from typing import Any

from noidlb.farm import BackendState, Condition, Scheduler
from noidlb.guardian.health import Health
from noidlb.nft.marks import Marks
from noidlb.service.metrics import MetricsSnapshot, write

from tests.support.lb.farms import farm
from tests.support.lb.metrics import FARM, V4, health, view

DOWN = Condition(BackendState.DOWN)


def written(view: MetricsSnapshot) -> str:
    return b"".join(write(view)).decode()


def page(*found: Health, **given: Any) -> list[str]:
    return written(view(*found, **given)).splitlines()


def test_the_page() -> None:
    lines = page(health("b1", "up"), health("b2", "unknown"))
    labels = 'farm="ftp",backend="b1",address="192.0.2.1:21",probe="check_ftp -H HOST"'
    assert f"noidlb_backend_up{{{labels}}} 1" in lines
    assert f"noidlb_backend_flaps_total{{{labels}}} 2" in lines
    assert f'noidlb_probe_duration_seconds{{{labels},phase="connect"}} 0.125' in lines
    assert f'noidlb_probe_duration_seconds{{{labels},phase="all"}} 0.25' in lines
    assert f'noidlb_info{{version="1.0",farms="{"0" * 64}",role="master"}} 1' in lines
    assert "noidlb_transactions_total 7" in lines
    assert "noidlb_hook_runs_total 5" in lines
    # One without a result is neither up nor down.
    assert not [line for line in lines if line.startswith("noidlb_backend_up") and "b2" in line]


def test_a_backend_that_cannot_be_checked_shows() -> None:
    lines = page(health("b1", "up"), health("b2", "unknown"), replace(health("b3", "up"), kept="no program"))
    found = {line.split('"')[3]: line[-1] for line in lines if line.startswith("noidlb_backend_checked{")}
    assert found == {"b1": "1", "b2": "0", "b3": "0"}
    # It serves all the same.
    assert [line[-1] for line in lines if line.startswith("noidlb_backend_up{") and '"b3"' in line] == ["1"]


def test_each_family_has_one_head_and_stands_together() -> None:
    lines = page(health("b1", "up"), health("b2", "down"))
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    names = [line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")]
    assert list(dict.fromkeys(names)) == heads


def test_connections_are_those_of_the_marks() -> None:
    found = page(flows={Marks((FARM,)).backend(FARM, "b2"): 12})
    assert 'noidlb_connections{farm="ftp",backend="b1"} 0' in found
    assert 'noidlb_connections{farm="ftp",backend="b2"} 12' in found
    assert 'noidlb_farm_connections{farm="ftp"} 12' in found
    # When they cannot be counted, nothing is claimed.
    assert not [line for line in page() if line.startswith(("noidlb_connections", "noidlb_farm_connections"))]


def test_what_clients_get_of_a_farm() -> None:
    states = 'noidlb_farm_state{farm="ftp",family="ipv4",state="%s"} %d'
    assert states % ("serving", 1) in page()
    assert states % ("refusing", 0) in page()
    dead = page(health("b1", "up"), conditions={("ftp", "b1"): DOWN, ("ftp", "b2"): DOWN})
    # The guardian may see a backend up while no client gets any.
    assert [line for line in dead if line.startswith("noidlb_backend_up{")]
    assert states % ("refusing", 1) in dead
    assert 'noidlb_farm_backends{farm="ftp",state="down"} 2' in dead
    assert 'noidlb_backend_state{farm="ftp",backend="b1",state="down"} 1' in dead
    stopped = page(health("b1", "up"), stopped=frozenset({"ftp"}))
    assert states % ("stopped", 1) in stopped
    assert states % ("serving", 0) in stopped
    assert 'noidlb_backend_weight{farm="ftp",backend="b1"} 0' in stopped


def test_one_ip_version_that_refuses_is_told() -> None:
    both = farm("ftp", count=1)
    found = page(one=both, conditions={("ftp", "b1"): Condition(BackendState.UP, lost=frozenset({6}))})
    assert 'noidlb_farm_state{farm="ftp",family="ipv4",state="serving"} 1' in found
    assert 'noidlb_farm_state{farm="ftp",family="ipv6",state="refusing"} 1' in found


def test_what_clients_get_of_a_backend() -> None:
    found = page(health("b1", "up"), conditions={("ftp", "b2"): DOWN}, weights={"ftp": {"b1": 50}})
    assert 'noidlb_backend_weight{farm="ftp",backend="b1"} 0.5' in found
    assert 'noidlb_backend_weight{farm="ftp",backend="b2"} 0' in found
    assert 'noidlb_backend_share_ratio{farm="ftp",backend="b1"} 1.0' in found
    assert 'noidlb_backend_share_ratio{farm="ftp",backend="b2"} 0.0' in found
    assert 'noidlb_backend_connections_total{farm="ftp",backend="b1"} 0' in found


def test_weights_of_a_farm_that_is_not_checked() -> None:
    unchecked = farm("ftp", count=2, vip=V4, scheduler=Scheduler.LEAST_CONNECTIONS)
    found = page(one=unchecked, weights={"ftp": {"b1": 20, "b2": 300}})
    assert 'noidlb_backend_weight{farm="ftp",backend="b1"} 0.2' in found
    assert 'noidlb_backend_weight{farm="ftp",backend="b2"} 3.0' in found


def test_labels_are_escaped() -> None:
    lines = page(health("b1", "up", command='a "quoted" \\ and\nnew'))
    assert any(r'probe="a \"quoted\" \\ and\nnew"' in line for line in lines)
