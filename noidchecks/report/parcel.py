"""What a courier carries to a report, and what a report answers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .record import Record


class Parcel:
    """One result in the words of its report; name is that of the service, for messages."""

    __slots__ = ("name", "data")

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data


class Delivery:
    """How a delivery went: what is left to be delivered again and why, and what will never be taken and why."""

    __slots__ = ("left", "trouble", "refused")

    def __init__(
        self, left: Sequence[Parcel] = (), trouble: str = "", refused: Sequence[tuple[Parcel, str]] = ()
    ) -> None:
        self.left = left
        self.trouble = trouble
        self.refused = refused


class Report:
    """A destination of results.

    batch is the most that one delivery takes, pause the seconds that results are gathered between two deliveries.
    deliver() runs in the courier's thread, everything else in the survey's; an OSError that leaves it means that
    nothing was handed in.
    """

    batch = 1000
    pause = 0.0

    def pack(self, record: Record) -> bytes:
        """Returns the record in the words of this destination."""
        raise NotImplementedError

    def deliver(self, parcels: Sequence[Parcel]) -> Delivery:
        """Hands in parcels, the oldest first."""
        raise NotImplementedError

    def expect(self, names: Collection[tuple[str, str]]) -> None:
        """Learns which services there are from now on."""

    def close(self) -> None:
        """Ends what is open; called once, in the survey's thread, after the last delivery."""
