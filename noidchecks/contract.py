"""The interface of a probe, for type checkers and isinstance(); importing it takes as long as importing typing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from .dialogue.operations import Dialogue
    from .status.result import Result
    from .timings import Timings


@runtime_checkable
class Probe(Protocol):
    """A check as a value: its timeout, its dialogue with the peer and its judgement.

    timeout is in seconds, 0 or less for none. The return value of the dialogue is passed to judge(), together with the
    timings; judge() uses nothing else. A ProbeError raised by the dialogue becomes a Result with the error's state.
    isinstance() only tests that the three attributes exist. A probe that may have more than one descriptor open at a
    time gives their number in an attribute descriptors, which a survey counts.
    """

    @property
    def timeout(self) -> float:
        """The timeout in seconds."""

    def dialogue(self) -> Dialogue[Any]:
        """Returns a new dialogue with the peer."""

    def judge(self, findings: Any, timings: Timings, /) -> Result:
        """Judges the findings of the dialogue."""
