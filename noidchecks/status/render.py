"""The output formats of `--output-format`."""

from __future__ import annotations

import json

from .result import PLAIN
from .state import State
from .text import LINE, shortened

# The bytes to which a line is never shortened further: enough for its state and its subject.
_SHORTEST = 60

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
    perfdata = " ".join(map(str, result.metrics))
    lines = [f"[{result.state}] - {_summary(result)}"]
    lines += (f"\t\\_[{part.state}] - {part.text}" for part in result.parts)
    room = max(PLAIN, LINE - len(f"| {perfdata}"))
    text = shortened("\n".join(_fitting(lines, room)), room)
    # The performance data must be last: after a `|` in any line but the first, Nagios reads all further text as such.
    text = "\n".join((text, *result.transcript))
    return f"{text}| {perfdata}" if perfdata else text


def _fitting(lines: list[str], room: int) -> list[str]:
    """Shortens the longest lines so that all of them fit into room bytes together."""
    sizes = sorted(len(f"{line}\n".encode(errors="backslashreplace")) for line in lines)
    for at, size in enumerate(sizes):
        share = room // (len(sizes) - at)
        if size > share:
            return [shortened(line, max(_SHORTEST, share - 1)) for line in lines]
        room -= size
    return lines
