"""The interface of a report, and the outcome of a delivery."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .report.record import Record


class Outcome:
    """The outcome of a delivery: left has the records to retry, trouble is the reason, "" for none.

    Records left without trouble wait for a later turn. refused has a name, usually that of the service, and the reason
    for each result that will never be accepted.
    """

    __slots__ = ("left", "trouble", "refused")

    def __init__(self, left: Sequence[Record] = (), trouble: str = "", refused: Sequence[tuple[str, str]] = ()) -> None:
        self.left = left
        self.trouble = trouble
        self.refused = refused


class Report:
    """A destination of results.

    batch is the most records of a delivery, pause the seconds for which results are gathered between two deliveries.
    deliver() runs in the thread of the delivery queue, all other methods in that of the survey; when deliver() raises
    OSError, no result was delivered. held is the number of results that deliver() has accepted but delivers later
    together with others. The queue sets is_last when the survey ends and no time is left for a later turn.
    """

    batch = 1000
    pause = 0.0
    held = 0
    is_last = False

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Delivers records, the oldest first, in the format of this destination."""
        raise NotImplementedError

    def expect(self, names: Collection[tuple[str, str]]) -> None:
        """Sets the hosts and services that the survey checks from now on."""

    def close(self) -> None:
        """Closes files and connections; called once, in the survey's thread, after the last delivery."""
