"""The contract of a probe, for type checkers and for isinstance(); importing it costs what typing costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from .dialogue.operations import Dialogue
    from .status.result import Result
    from .timings import Timings


@runtime_checkable
class Probe(Protocol):
    """What can be checked: a value that knows its conversation and its judgement.

    timeout is the deadline in seconds, 0 or less for none. What dialogue() returns goes to judge(), together with
    the time that it took; judge() touches nothing else. A ProbeError that leaves the dialogue becomes a Result of the
    error's state. isinstance() sees that the three are there. A probe that may have more than one socket open at a time
    says how many with an attribute descriptors, which a survey counts.
    """

    @property
    def timeout(self) -> float:
        """The deadline in seconds."""

    def dialogue(self) -> Dialogue[Any]:
        """Returns the conversation."""

    def judge(self, findings: Any, timings: Timings, /) -> Result:
        """Judges what the conversation found."""
