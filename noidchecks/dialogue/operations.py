"""The operations that a dialogue may ask of its driver.

A dialogue is a generator: it yields operations, is sent their answers, and returns its findings. It never touches a
socket or a clock, so that the same dialogue runs under every driver and under a test that feeds it bytes.
"""

from __future__ import annotations

from ..value import Value
from .stream_operations import (
    SEGMENT as SEGMENT,
    Connect as Connect,
    Phase as Phase,
    Receive as Receive,
    Resolve as Resolve,
    Send as Send,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, TypeAlias, TypeVar

    from ..address import Address
    from .stream_operations import Channel as Channel

    T = TypeVar("T")
    # Separate strings, because pyright does not evaluate implicitly concatenated ones.
    _Tcp: TypeAlias = "Phase | Resolve | Connect | Listen | Accept | LocalAddress | Await | Send | Receive"
    _More: TypeAlias = "Prepare | Delegate | Redact | Decrypted | ReserveTime | Close"
    Operation: TypeAlias = "_Tcp | _More | OpenDatagram | SendTo | ReceiveFrom | Sleep"
    Dialogue: TypeAlias = Generator[Operation, Any, T]


def __getattr__(name: str) -> object:
    # For modules that import the aliases at run time; built at import, they would slow down every start.
    if name == "Dialogue":
        from collections.abc import Generator

        return Generator
    if name == "Operation":
        stream = Phase | Resolve | Connect | Listen | Accept | LocalAddress | Await | Send | Receive | Delegate
        return stream | OpenDatagram | SendTo | ReceiveFrom | Sleep | Prepare | Close | ReserveTime | Redact | Decrypted
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class OpenDatagram:
    """Opens an unconnected datagram socket that reports ICMP errors. Answer: Channel; LocalError."""

    __slots__ = ("family", "source")

    def __init__(self, family: int, source: str = "") -> None:
        self.family = family
        self.source = source


class SendTo:
    """Sends one datagram. Answer: None; NotConnected."""

    __slots__ = ("channel", "data", "address")

    def __init__(self, channel: Channel, data: bytes, address: Address) -> None:
        self.channel = channel
        self.data = data
        self.address = address


class ReceiveFrom:
    """Receives one datagram. Answer: Datagram, None after patience seconds; NotConnected with the dead address."""

    __slots__ = ("channel", "limit", "patience")

    def __init__(self, channel: Channel, limit: int = 65536, patience: float | None = None) -> None:
        self.channel = channel
        self.limit = limit
        self.patience = patience


class Sleep:
    """Pauses the dialogue for the seconds. Answer: None."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @property
    def patience(self) -> float:
        """The seconds of the operation, after which the driver resumes the dialogue."""
        return self.seconds


class Listen:
    """Listens on a local address, on the first free port of a range (0: any). Answer: Channel; LocalError."""

    __slots__ = ("address", "ports")

    def __init__(self, address: Address, ports: tuple[int, int] = (0, 0)) -> None:
        self.address = address
        self.ports = ports


class Accept:
    """Waits for a connection to a listening channel. Answer: Channel, None after patience seconds."""

    __slots__ = ("channel", "patience")

    def __init__(self, channel: Channel, patience: float | None = None) -> None:
        self.channel = channel
        self.patience = patience


class Await:
    """Waits until one of several channels has data or a connection to accept, or is at its end.

    Answer: the first channel in that state, None after patience seconds.
    """

    __slots__ = ("channels", "patience")

    def __init__(self, channels: tuple[Channel, ...], patience: float | None = None) -> None:
        self.channels = channels
        self.patience = patience


class LocalAddress:
    """Asks which address of this machine a connected channel uses. Answer: Address; NotConnected."""

    __slots__ = ("channel",)

    def __init__(self, channel: Channel) -> None:
        self.channel = channel


class Prepare:
    """Loads a module into worker processes, before the clock of the check starts.

    Answer: whether the module is still loading; the dialogue then yields Prepare again a moment later. LocalError.
    """

    __slots__ = ("module",)

    def __init__(self, module: str) -> None:
        self.module = module


class Delegate:
    """Passes a connected channel and the data about it to the serve() of a module in a worker process.

    At the deadline the process is killed: nothing else stops a library that is busy with a peer's input.
    Answer: a Channel to the worker, None while too many requests for workers are pending; LocalError.
    """

    __slots__ = ("channel", "module", "data")

    def __init__(self, channel: Channel, module: str, data: bytes) -> None:
        self.channel = channel
        self.module = module
        self.data = data


class Close:
    """Closes a channel before the dialogue ends; the driver closes all others. Answer: None."""

    __slots__ = ("channel",)

    def __init__(self, channel: Channel) -> None:
        self.channel = channel


class ReserveTime:
    """Keeps the last seconds before the deadline for tidying up. Answer: None.

    The operation under way when they begin fails with DeadlineExceeded; later ones are performed until the deadline.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Redact:
    """Names a secret that the transcript masks from now on in the bytes of both sides. Answer: None.

    With secret None, the transcript shows only the length of received data.
    """

    __slots__ = ("secret",)

    def __init__(self, secret: bytes | None) -> None:
        self.secret = secret


class Decrypted:
    """Gives the transcript the plain text of data that it has seen only encrypted. Answer: None."""

    __slots__ = ("channel", "data")

    def __init__(self, channel: Channel, data: bytes) -> None:
        self.channel = channel
        self.data = data


class Datagram(Value):
    """One received datagram and its source address."""

    data: bytes
    address: Address

    def __init__(self, data: bytes, address: Address) -> None:
        self._fill({"data": data, "address": address})
