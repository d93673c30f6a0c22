"""Builds the JSON of Grafana's panels and dashboards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# The columns of Grafana's grid.
_COLUMNS = 24
RED, GREEN = "red", "green"
_GOOD_IS_ZERO = {"mode": "absolute", "steps": [{"color": GREEN, "value": None}, {"color": RED, "value": 1}]}
_NEUTRAL = {"mode": "absolute", "steps": [{"color": "blue", "value": None}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel: queries are pairs of legend and PromQL, unit is Grafana's name of a unit."""

    title: str
    kind: str
    queries: tuple[tuple[str, str], ...]
    text: str = ""
    width: int = 12
    height: int = 8
    unit: str = "short"
    defaults: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    transformations: tuple[dict[str, Any], ...] = ()


def number(title: str, query: str, text: str, *, unit: str = "short", bad: bool = True) -> Panel:
    """Returns a panel with one number, which is red from 1 on if bad is set."""
    return Panel(
        title=title,
        kind="stat",
        queries=((title, query),),
        text=text,
        width=6,
        height=4,
        unit=unit,
        defaults={"thresholds": _GOOD_IS_ZERO if bad else _NEUTRAL, "color": {"mode": "thresholds"}},
        options={
            "colorMode": "value",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
        },
    )


def curves(title: str, *queries: tuple[str, str], unit: str = "short", text: str = "", stacked: bool = False) -> Panel:
    """Returns a panel with lines over time, stacked if stacked is set."""
    look: dict[str, Any] = {"lineWidth": 1, "fillOpacity": 30 if stacked else 0, "showPoints": "never"}
    if stacked:
        look["stacking"] = {"mode": "normal", "group": "A"}
    return Panel(
        title=title,
        kind="timeseries",
        queries=queries,
        text=text,
        unit=unit,
        defaults={"custom": look, "min": 0},
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def states(title: str, query: str, legend: str, words: dict[str, tuple[str, str]], text: str = "") -> Panel:
    """Returns a panel with a bar for each series, coloured by its values."""
    shown = {
        value: {"text": word, "color": color, "index": index}
        for index, (value, (word, color)) in enumerate(words.items())
    }
    return Panel(
        title=title,
        kind="state-timeline",
        queries=((legend, query),),
        text=text,
        defaults={"mappings": [{"type": "value", "options": shown}], "custom": {"lineWidth": 0, "fillOpacity": 80}},
        options={
            "mergeValues": True,
            "showValue": "never",
            "rowHeight": 0.9,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def table(title: str, query: str, hidden: tuple[str, ...], text: str = "", *, unit: str = "short") -> Panel:
    """Returns a panel with a row for each series and a column for each label that is not hidden."""
    left_out = {name: True for name in ("Time", "__name__", "job", *hidden)}
    return Panel(
        title=title,
        kind="table",
        queries=(("", query),),
        text=text,
        unit=unit,
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=(
            {"id": "organize", "options": {"excludeByName": left_out, "indexByName": {}, "renameByName": {}}},
        ),
    )


def dashboard(uid: str, title: str, text: str, variables: dict[str, str], panels: tuple[Panel, ...]) -> dict[str, Any]:
    """Returns a dashboard; variables maps names to queries of label values; All is possible for each of them."""
    chosen = [
        {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }
        for name, query in variables.items()
    ]
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}
    return {
        "uid": uid,
        "title": title,
        "description": text,
        "tags": ["noidchecks"],
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": 38,
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *chosen]},
        "panels": _placed(panels),
    }


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """Returns the panels with their positions, from left to right and in a new row when one is full."""
    made: list[dict[str, Any]] = []
    x = y = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > _COLUMNS:
            x, y = 0, y + made[-1]["gridPos"]["h"]
        made.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
        x += panel.width
    return made


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    is_table = panel.kind == "table"
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": query,
            "legendFormat": legend,
            "instant": is_table or panel.kind == "stat",
            "range": not is_table and panel.kind != "stat",
            "format": "table" if is_table else "time_series",
            "editorMode": "code",
        }
        for index, (legend, query) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "gridPos": place,
        "datasource": _SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit, **panel.defaults}, "overrides": []},
        "options": panel.options,
        "transformations": list(panel.transformations),
    }
