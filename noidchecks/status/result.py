"""The result of one check and the line that a plugin prints for it."""

from __future__ import annotations

from ..timings import Timings
from ..value import Value, setters
from .state import State
from .text import LINE, shortened

# Bytes of a text that are left to it, however long its performance data are.
PLAIN = 500

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ProbeError
    from .perfdata import Metric


class Part(Value):
    """One thing that was judged: its state and a sentence."""

    state: State
    text: str

    def __init__(self, state: State, text: str) -> None:
        _set_part_state(self, state)
        _set_part_text(self, text)


_set_part_state, _set_part_text = setters(Part)


class Result(Value):
    """What a check found; str() is the output of the plugin.

    text is the status line (a certificate check has a line of its own before it), parts are the single judgements
    behind it, summary says in one sentence that they are all well, facts what was seen on the wire by name, timings
    the seconds that it took, failure the error that ended the dialogue early, transcript the dialogue when it was
    asked for.
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
        """Returns everything that the result holds as JSON has it: the object of `--output-format json`.

        Its keys are listed in docs/library.md. The message of a failure is not repeated: the text tells it, in the
        words of the plugin.
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
            # Behind a bar in a later line than the first, Nagios takes all that follows for performance data.
            lines[-1 if "\n" in self.text else 0] += f"{self.separator}{perfdata}"
        return "\n".join(lines)


_set_state, _set_text, _set_parts, _set_summary, _set_metrics, *_others = setters(Result)
_set_facts, _set_timings, _set_failure, _set_separator, _set_transcript = _others
