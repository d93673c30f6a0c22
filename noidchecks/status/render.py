"""The output formats of `--output-format`."""

from __future__ import annotations

import json

from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .result import Result


def render(result: Result, name: str) -> tuple[int, str]:
    """Returns exit code and text of a result in the format: multi-line or json."""
    if name == "multi-line":
        return result.state, _multi_line(result)
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
