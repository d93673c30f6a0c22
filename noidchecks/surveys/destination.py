"""What a report is, and what it answers to a delivery."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .report.record import Record


class Outcome:
    """How a delivery went: what is left to be delivered again and why, and what will never be taken and why.

    What is left without trouble waits for its turn. refused has a name, as a rule that of the service, and the reason
    for each result.
    """

    __slots__ = ("left", "trouble", "refused")

    def __init__(self, left: Sequence[Record] = (), trouble: str = "", refused: Sequence[tuple[str, str]] = ()) -> None:
        self.left = left
        self.trouble = trouble
        self.refused = refused


class Report:
    """A destination of results.

    batch is the most that one delivery takes, pause the seconds that results are gathered between two deliveries.
    deliver() runs in the delivery queue's thread, everything else in the survey's; an OSError that leaves it means that
    nothing was handed in. held counts results that deliver() has taken and hands in later, together with others. The
    queue sets is_last when the survey ends and there is no time to leave results for a later turn.
    """

    batch = 1000
    pause = 0.0
    held = 0
    is_last = False

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Hands in records, the oldest first, in the words of this destination."""
        raise NotImplementedError

    def expect(self, names: Collection[tuple[str, str]]) -> None:
        """Learns which services there are from now on."""

    def close(self) -> None:
        """Ends what is open; called once, in the survey's thread, after the last delivery."""
