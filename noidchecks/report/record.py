"""One result with the names under which it is handed in, and when it was found."""

from __future__ import annotations

from ..plugin.formats import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..plugin.command import Command
    from ..status.result import Result
    from ..status.state import State
    from ..targets import Target


class Record:
    """A result as its receivers need it; started and finished are seconds since 1970.

    text may have several lines; perfdata is apart from it, because each receiver wants the two put together otherwise.
    """

    __slots__ = ("host", "service", "result", "text", "perfdata", "started", "finished", "_separator")

    def __init__(self, target: Target, result: Result, finished: float) -> None:
        self.host = target.host
        self.service = target.service
        self.result = result
        self.text, self._separator = _text(target.command, result)
        self.perfdata = tuple(map(str, result.metrics))
        self.finished = finished
        self.started = finished - result.timings.total

    @property
    def state(self) -> State:
        """The state, whose integer is the exit code that the plugin would have."""
        return self.result.state

    def output(self, text: str) -> str:
        """Puts a text, as a rule the record's own, and the performance data together as a plugin does."""
        return f"{text}{self._separator}{' '.join(self.perfdata)}" if self.perfdata else text


def _text(command: Command, result: Result) -> tuple[str, str]:
    if command.output_format == "multi-line":
        _, text = render(result.replace(metrics=()), "multi-line")
        return text, "| "
    return result.text, result.separator
