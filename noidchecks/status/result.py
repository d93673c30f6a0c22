"""The result of one check and the line that a plugin prints for it."""

from __future__ import annotations

from ..timings import Timings
from ..value import Value, setters
from .state import State
from .text import LINE, shortened

# The bytes that a text keeps, however long its performance data are.
PLAIN = 500

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from .perfdata import Metric


class Part(Value):
    """One judgement: its state and a sentence."""

    state: State
    text: str

    def __init__(self, state: State, text: str) -> None:
        _set_part_state(self, state)
        _set_part_text(self, text)


_set_part_state, _set_part_text = setters(Part)


class Result(Value):
    """The result of a check; str() is the output of the plugin.

    text is the status line (with a certificate check, its line comes first), parts are the judgements that it is made
    of, summary is one sentence for the case that all of them are OK, facts are the observations by name, timings the
    durations in seconds, failure is the error that ended the dialogue early, and transcript has the lines of the
    dialogue if requested.
    """

    state: State
    text: str
    parts: tuple[Part, ...]
    summary: str
    metrics: tuple[Metric, ...]
    facts: dict[str, object]
    timings: Timings
    failure: ProbeError | None
    separator: str
    transcript: tuple[str, ...]

    def __init__(
        self,
        state: State,
        text: str,
        *,
        parts: tuple[Part, ...] = (),
        summary: str = "",
        metrics: tuple[Metric, ...] = (),
        facts: dict[str, object] | None = None,
        timings: Timings | None = None,
        failure: ProbeError | None = None,
        separator: str = "|",
        transcript: tuple[str, ...] = (),
    ) -> None:
        _set_state(self, state)
        _set_text(self, text)
        _set_parts(self, parts or (Part(state, text),))
        _set_summary(self, summary)
        _set_metrics(self, metrics)
        _set_facts(self, {} if facts is None else facts)
        _set_timings(self, Timings() if timings is None else timings)
        _set_failure(self, failure)
        _set_separator(self, separator)
        _set_transcript(self, transcript)

    @property
    def ok(self) -> bool:
        """Whether the state is OK."""
        return self.state == State.OK

    def to_dict(self) -> dict[str, object]:
        """Returns the whole result as a JSON object, that of `--output-format json`.

        docs/library.md lists its keys. The message of a failure is left out, because the text has it in the words of
        the plugin.
        """
        from .plain import plain

        tree: dict[str, object] = {
            "state": self.state.name,
            "exit_code": int(self.state),
            "text": plain(self.text),
            "parts": [{"state": part.state.name, "text": plain(part.text)} for part in self.parts],
            "metrics": [metric.to_dict() for metric in self.metrics],
            "seconds": plain(round(self.timings.total, 6)),
            "phases": {name: plain(round(seconds, 6)) for name, seconds in self.timings.phases.items()},
            "facts": plain(self.facts),
        }
        if self.failure is not None:
            tree["failure"] = {"kind": self.failure.kind, "phase": self.failure.phase}
        if self.transcript:
            tree["transcript"] = plain(self.transcript)
        return tree

    def __hash__(self) -> int:
        return hash((self.state, self.text, self.metrics))

    def __str__(self) -> str:
        perfdata = " ".join(map(str, self.metrics))
        lines = [self.text, *self.transcript]
        if len(self.text) > PLAIN:
            lines[0] = shortened(self.text, max(PLAIN, LINE - len(perfdata) - len(self.separator)))
        if perfdata:
            # After a `|` in any line but the first, Nagios reads all further text as performance data.
            lines[-1 if "\n" in self.text else 0] += f"{self.separator}{perfdata}"
        return "\n".join(lines)


_set_state, _set_text, _set_parts, _set_summary, _set_metrics, *_others = setters(Result)
_set_facts, _set_timings, _set_failure, _set_separator, _set_transcript = _others
