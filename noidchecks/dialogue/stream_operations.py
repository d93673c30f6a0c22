"""The operations of a dialogue over one stream, which every check uses.

They are separate from the others because a plugin that runs one check loads only these.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ..address import Address

    class Channel(Protocol):
        """A driver's handle of a connection, a socket or a worker process; only the driver can use it."""

        @property
        def address(self) -> Address | None:
            """The peer's address, or a listening channel's own address; None for other channels."""


SEGMENT = 16384


class Phase:
    """Begins a phase: its time is measured and its errors are marked with the name. Answer: None."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Resolve:
    """Looks up the host; a path is a unix socket. Answer: tuple of Address, never empty; NotResolved, LocalError."""

    __slots__ = ("host", "port", "family", "kind")

    def __init__(self, host: str, port: int, family: int, kind: int) -> None:
        self.host = host
        self.port = port
        self.family = family
        self.kind = kind


class Connect:
    """Connects a stream, from the source address if one is given. Answer: Channel; NotConnected, LocalError.

    After patience seconds without an answer of the peer it fails with NotConnected.
    """

    __slots__ = ("address", "source", "patience")

    def __init__(self, address: Address, source: str = "", patience: float | None = None) -> None:
        self.address = address
        self.source = source
        self.patience = patience


class Send:
    """Sends all of the data; a transcript prints shown in its place unless it is empty. Answer: None; NotConnected."""

    __slots__ = ("channel", "data", "shown")

    def __init__(self, channel: Channel, data: bytes, shown: bytes = b"") -> None:
        self.channel = channel
        self.data = data
        self.shown = shown


class Receive:
    """Receives the next bytes. Answer: 1..limit bytes, b"" at the end, None after patience seconds; NotConnected."""

    __slots__ = ("channel", "limit", "patience")

    def __init__(self, channel: Channel, limit: int = SEGMENT, patience: float | None = None) -> None:
        self.channel = channel
        self.limit = limit
        self.patience = patience
