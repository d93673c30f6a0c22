"""A result as JSON has it: objects, lists, texts, finite numbers, true, false and null."""

from __future__ import annotations

from .state import State
from .text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .perfdata import Metric
    from .result import Result


def plain_result(result: Result) -> dict[str, object]:
    """Returns the keys that docs/library.md lists.

    The message of a failure is not repeated: the text tells it, in the words of the plugin.
    """
    tree: dict[str, object] = {
        "state": result.state.name,
        "exit_code": int(result.state),
        "text": plain(result.text),
        "parts": [{"state": part.state.name, "text": plain(part.text)} for part in result.parts],
        "metrics": [_metric(metric) for metric in result.metrics],
        "seconds": _number(result.timings.total),
        "phases": {name: _number(seconds) for name, seconds in result.timings.phases.items()},
        "facts": plain(result.facts),
    }
    if result.failure is not None:
        tree["failure"] = {"kind": type(result.failure).__name__, "phase": result.failure.phase}
    if result.transcript:
        tree["transcript"] = plain(result.transcript)
    return tree


def plain(value: object) -> object:
    """Returns a value as JSON has it: a State as its word, bytes and what JSON has no form for as printable text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # A lone surrogate could not be written as UTF-8.
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, State):
        return value.name
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {str(plain(name if isinstance(name, str) else str(name))): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    return printable(value if isinstance(value, bytes) else str(value))


def _metric(metric: Metric) -> dict[str, object]:
    limits = {"warning": metric.warning, "critical": metric.critical}
    tree: dict[str, object] = {"label": plain(metric.label), "value": plain(metric.value), "unit": plain(metric.unit)}
    tree |= {name: str(limit) for name, limit in limits.items() if limit is not None}
    tree |= {
        name: plain(number)
        for name, number in (("minimum", metric.minimum), ("maximum", metric.maximum))
        if number is not None
    }
    return tree


def _number(seconds: float) -> object:
    return plain(round(seconds, 6))
