"""The operations that a dialogue may ask of its driver.

A dialogue is a generator: it yields operations, is sent their answers, and returns its findings. It never touches a
socket or a clock, so that the same dialogue runs under every driver and under a test that feeds it bytes.
"""

from __future__ import annotations

from ..value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, Protocol, TypeAlias, TypeVar

    from ..address import Address

    class Channel(Protocol):
        """What a driver answers with: a connection, a socket or a worker process, which only the driver can use."""

        @property
        def address(self) -> Address | None:
            """The address of the peer or, of a listening channel, its own; None where there is none."""

    T = TypeVar("T")
    # Two strings, because pyright reads no string that is put together from parts.
    _Tcp: TypeAlias = "Phase | Resolve | Connect | Listen | Accept | LocalAddress | Await | Send | Receive"
    _More: TypeAlias = "Prepare | Delegate | Redact | Decrypted | ReserveTime | Close"
    Operation: TypeAlias = "_Tcp | _More | OpenDatagram | SendTo | ReceiveFrom | Sleep"
    Dialogue: TypeAlias = Generator[Operation, Any, T]

SEGMENT = 16384


def __getattr__(name: str) -> object:
    # For modules that import the aliases without TYPE_CHECKING; building them here would cost each start.
    if name == "Dialogue":
        from collections.abc import Generator

        return Generator
    if name == "Operation":
        stream = Phase | Resolve | Connect | Listen | Accept | LocalAddress | Await | Send | Receive | Delegate
        return stream | OpenDatagram | SendTo | ReceiveFrom | Sleep | Prepare | Close | ReserveTime | Redact | Decrypted
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Phase:
    """Names what follows: its seconds are counted under the name, its errors carry it. Answer: None."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Resolve:
    """Looks the host up, a path is a unix socket. Answer: tuple of Address, never empty; NotResolved."""

    __slots__ = ("host", "port", "family", "kind")

    def __init__(self, host: str, port: int, family: int, kind: int) -> None:
        self.host = host
        self.port = port
        self.family = family
        self.kind = kind


class Connect:
    """Connects a stream, from the source address if one is given. Answer: Channel; NotConnected, LocalError.

    After patience seconds without an answer of the peer it is given up, as NotConnected.
    """

    __slots__ = ("address", "source", "patience")

    def __init__(self, address: Address, source: str = "", patience: float | None = None) -> None:
        self.address = address
        self.source = source
        self.patience = patience


class OpenDatagram:
    """Opens an unconnected datagram socket that learns of dead ports. Answer: Channel; LocalError."""

    __slots__ = ("family", "source")

    def __init__(self, family: int, source: str = "") -> None:
        self.family = family
        self.source = source


class Send:
    """Sends all of the data; a transcript tells what is shown in its place, if anything. Answer: None; NotConnected."""

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
    """Lets the seconds pass. Answer: None."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


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
    """Waits until one of several channels has something to receive or to accept, or is at its end.

    Answer: the first of them that has, None after patience seconds.
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

    Answer: whether that is still under way, then it is to be asked again a moment later; LocalError.
    """

    __slots__ = ("module",)

    def __init__(self, module: str) -> None:
        self.module = module


class Delegate:
    """Hands a connected channel, and what is to be known of it, to the serve() of a module in a worker process.

    The deadline kills the process: the way to let a library work on what a peer says that cannot be stopped otherwise.
    Answer: a Channel to the worker, None while there are too many requests for one; LocalError.
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

    What is under way when they begin fails with DeadlineExceeded, and all that follows is granted up to the deadline.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Redact:
    """Names a secret that the transcript masks from now on in the bytes of both sides. Answer: None."""

    __slots__ = ("secret",)

    def __init__(self, secret: bytes) -> None:
        self.secret = secret


class Decrypted:
    """Tells the transcript what was received through a layer, which it saw only wrapped up. Answer: None."""

    __slots__ = ("channel", "data")

    def __init__(self, channel: Channel, data: bytes) -> None:
        self.channel = channel
        self.data = data


class Datagram(Value):
    """One received datagram and the address that it came from."""

    data: bytes
    address: Address

    def __init__(self, data: bytes, address: Address) -> None:
        self._fill({"data": data, "address": address})
