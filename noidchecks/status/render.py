"""The output formats of `--output-format`."""

from __future__ import annotations

import json

from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .perfdata import Metric
    from .result import Result
    from .threshold import Range


def render(result: Result, name: str) -> tuple[int, str]:
    """Returns exit code and text of a result in the format: multi-line, mp-test-json or json."""
    if name == "multi-line":
        return result.state, _multi_line(result)
    if name == "mp-test-json":
        # As in monitoring-plugins 3, whose test suite reads it: the state is in the text, the exit code is 0.
        return State.OK, json.dumps(_test_tree(result))
    return result.state, json.dumps(result.to_dict())


def _summary(result: Result) -> str:
    worst = [part.text for part in result.parts if part.state == result.state]
    if result.state == State.OK and result.summary:
        return result.summary
    return worst[0] if worst else result.text


def _multi_line(result: Result) -> str:
    leaves = "".join(f"\n\t\\_[{part.state}] - {part.text}" for part in result.parts)
    perfdata = " ".join(map(str, result.metrics))
    # The performance data last: behind a bar in a later line than the first, Nagios takes all that follows for it.
    text = "\n".join((f"[{result.state}] - {_summary(result)}{leaves}", *result.transcript))
    return f"{text}| {perfdata}" if perfdata else text


def _test_tree(result: Result) -> dict[str, object]:
    checks: list[dict[str, object]] = [{"output": part.text, "state": part.state.name} for part in result.parts]
    checks[-1]["perfdata"] = [_test_metric(metric) for metric in result.metrics]
    return {"state": result.state.name, "summary": _summary(result), "checks": checks}


def _test_metric(metric: Metric) -> dict[str, object]:
    tree: dict[str, object] = {"label": metric.label, "value": _test_number(metric.value)}
    if metric.unit:
        tree["uom"] = metric.unit
    for name, limit in (("warn", metric.warning), ("crit", metric.critical)):
        if limit is not None:
            tree[name] = _test_range(limit)
    for name, number in (("min", metric.minimum), ("max", metric.maximum)):
        if number is not None:
            tree[name] = _test_number(number)
    return tree


def _test_range(limit: Range) -> dict[str, object]:
    ends = {
        name: "inf" if abs(end) == float("inf") else _test_number(end)
        for name, end in (("start", limit.start), ("end", limit.end))
    }
    return {"alert_on_inside": limit.inside, **ends}


def _test_number(number: float | None) -> dict[str, object]:
    if isinstance(number, int):
        return {"type": "int", "value": str(number)}
    return {"type": "double", "value": "U" if number is None else f"{number:f}"}
