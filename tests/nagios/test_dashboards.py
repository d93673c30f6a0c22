"""The dashboards are those of nagios/dashboards, and as Grafana reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from nagios.dashboards.generate import DASHBOARDS, TARGET, written


def lost(given: Any, read: Any, path: str = "") -> Iterator[str]:
    """Yields the path of everything that is not read as it was given."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from lost(value, read.get(key), f"{path}/{key}")
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for index, pair in enumerate(zip(given, read, strict=True)):
            yield from lost(*pair, f"{path}/{index}")
    elif given != read:
        yield path


def reread(dashboard: dict[str, Any]) -> Any:
    """Returns what the types that Grafana generates from its schema keep of a dashboard."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_file_is_what_its_source_says(name: str) -> None:
    assert (TARGET / name).read_text(encoding="utf-8") == written(DASHBOARDS[name]), "run `make docs`"


def test_there_are_no_other_files() -> None:
    assert {file.name for file in TARGET.iterdir()} == set(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafana_knows_every_key(name: str) -> None:
    assert list(lost(DASHBOARDS[name], reread(DASHBOARDS[name]))) == []


def test_a_key_that_grafana_does_not_know_is_found() -> None:
    broken = json.loads(written(DASHBOARDS["noidchecks.json"]))
    broken["panels"][0]["fieldConfig"]["defaults"]["units"] = "s"
    broken["panles"] = []
    assert list(lost(broken, reread(broken))) == ["/panels/0/fieldConfig/defaults/units", "/panles"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_their_own_ids_and_places(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in panels) <= 24


def test_metrics_that_another_exporter_has_too_are_narrowed_to_ours() -> None:
    queries = [target["expr"] for panel in DASHBOARDS["noidchecks.json"]["panels"] for target in panel["targets"]]
    shared = [query for query in queries if "probe_" in query]
    assert shared
    assert all("noidchecks_state" in query for query in shared), shared
