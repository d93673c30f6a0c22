"""One result with the host, the service and the times with which it is delivered."""

from __future__ import annotations

import json
import math

from ...fields import is_finite
from ...status.render import render
from ...status.state import State
from ..targets import fault_of_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from ...plugin.plugin import Command
    from ...status.result import Result
    from ..targets import Target


class Record:
    """A result as destinations need it; started and finished are seconds since 1970.

    text may have several lines; perfdata is separate, because each destination combines the two in another way.
    """

    __slots__ = ("host", "service", "state", "text", "perfdata", "started", "finished", "_separator", "_details")

    def __init__(self, target: Target, result: Result, finished: float) -> None:
        self.host = target.host
        self.service = target.service
        self.state = result.state
        self.text, self._separator = _text(target.command, result)
        self.perfdata = tuple(map(str, result.metrics))
        self.finished = finished
        self.started = finished - result.timings.total
        self._details: Result | dict[str, Any] = result

    @property
    def name(self) -> str:
        """The name of the service and its host for messages."""
        return f"{self.service} on {self.host}"

    @property
    def details(self) -> dict[str, Any]:
        """The whole result as a JSON object."""
        return self._details if isinstance(self._details, dict) else self._details.to_dict()

    @property
    def values(self) -> Sequence[tuple[str, float | None, str]]:
        """Label, value and unit of each metric."""
        if isinstance(self._details, dict):
            return [(metric["label"], metric["value"], metric["unit"]) for metric in self._details["metrics"]]
        return [(metric.label, metric.value, metric.unit) for metric in self._details.metrics]

    def output(self, text: str) -> str:
        """Combines a text, usually the record's own, and the performance data as a plugin does."""
        return f"{text}{self._separator}{' '.join(self.perfdata)}" if self.perfdata else text

    def to_json(self) -> str:
        """Returns the line for from_json(): a JSON list of the name and the fields."""
        fields = {
            "host": self.host,
            "service": self.service,
            "state": int(self.state),
            "text": self.text,
            "separator": self._separator,
            "perfdata": self.perfdata,
            "started": self.started,
            "finished": self.finished,
            "details": self.details,
        }
        return json.dumps([self.name, fields])

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        """Returns the record of an untrusted line; raises ValueError."""
        try:
            _, found = json.loads(line)
            record = cls.__new__(cls)
            record.host, record.service, record.text = found["host"], found["service"], found["text"]
            record.state = State(found["state"])
            record._separator = found["separator"]
            record.perfdata = tuple(found["perfdata"])
            record.started, record.finished = float(found["started"]), float(found["finished"])
            record._details = found["details"]
            metrics = [(label, unit) for label, _, unit in record.values]
            numbers = [value for _, value, _ in record.values if value is not None]
        except (TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError("no record") from error
        texts = (
            record.host,
            record.service,
            record.text,
            *record.perfdata,
            *(text for pair in metrics for text in pair),
        )
        if not (
            isinstance(record._details, dict)
            and all(isinstance(text, str) for text in texts)
            # An int may exceed the range of a float.
            and all(isinstance(number, float) or (isinstance(number, int) and is_finite(number)) for number in numbers)
            and not any(fault_of_name(name) for name in (record.host, record.service))
            and record._separator in ("|", "| ", " | ", " |")
            and not any("\n" in one for one in record.perfdata)
            and math.isfinite(record.started)
            and math.isfinite(record.finished)
        ):
            raise ValueError("no record")
        return record


def _text(command: Command, result: Result) -> tuple[str, str]:
    if command.output_format == "multi-line":
        _, text = render(result.replace(metrics=()), "multi-line")
        return text, "| "
    return result.text, result.separator
