"""The stream that most dialogues speak over: a connection, in plain text or through a layer such as TLS."""

from __future__ import annotations

from ..address import STREAM, source_family
from ..errors import LocalError, NotConnected
from .stream_operations import SEGMENT, Connect, Phase, Receive, Resolve, Send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ..address import Address
    from .operations import Channel, Dialogue

    class Layer(Protocol):
        """What stands between a stream and its channel, as TlsLayer does."""

        def encrypt(self, data: bytes) -> bytes:
            """Returns what the channel is to send for the data."""

        def receive(self, channel: Channel, limit: int, patience: float | None) -> Dialogue[bytes | None]:
            """Receives 1..limit bytes of plain text; b"" at the end, None after patience seconds without a byte."""

        def end(self) -> bytes:
            """Returns what tells the peer that nothing more will be sent."""

        def resume(self) -> Layer:
            """Returns the layer for another stream to the same server, which resumes the session of this one."""

        def advance(self, channel: Channel) -> Dialogue[bool]:
            """Continues the handshake with the bytes received so far, and tells whether it is complete."""

        def take(self, channel: Channel) -> Dialogue[None]:
            """Receives the next bytes of the handshake."""


# A phase has no more than a name, and nearly every check has these two.
_RESOLVE, _CONNECT = Phase("resolve"), Phase("connect")


class Stream:
    """A connected stream; once TLS is started on it, send and receive speak through the TLS layer."""

    __slots__ = ("channel", "tls")

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.tls: Layer | None = None

    def send(self, data: bytes, shown: bytes = b"") -> Dialogue[None]:
        """Sends all of the data; a transcript shows the text shown, if any, in place of data that is secret."""
        if self.tls is None:
            yield Send(self.channel, data, shown)
        else:
            yield Send(self.channel, self.tls.encrypt(data), shown or data)

    def receive(self, limit: int = SEGMENT, patience: float | None = None) -> Dialogue[bytes | None]:
        """Receives 1..limit bytes; b"" at the end, None after patience seconds without a byte."""
        if self.tls is not None:
            data: bytes | None = yield from self.tls.receive(self.channel, limit, patience)
            if data:
                from .operations import Decrypted

                yield Decrypted(self.channel, data)
            return data
        answer: bytes | None = yield Receive(self.channel, limit, patience)
        return answer

    def end(self) -> Dialogue[None]:
        """Tells the peer behind TLS that nothing more will be sent (RFC 8446 section 6.1), unless it has left."""
        if self.tls is not None:
            try:
                yield Send(self.channel, self.tls.end())
            except NotConnected:
                # What it had to say is read elsewhere.
                pass


def open_stream(host: str, port: int, family: int, source: str = "") -> Dialogue[Stream]:
    """Resolves the host and connects to the first of its addresses that answers, one after the other.

    The C plugins do the same, so that localhost and dual-stacked hosts check alike; all attempts share the deadline.
    The failure is that of the last address to which this machine has a way.
    """
    if source:
        try:
            family = source_family(source)
        except ValueError as error:
            raise LocalError(str(error)) from None
    yield _RESOLVE
    addresses: tuple[Address, ...] = yield Resolve(host, port, family, STREAM)
    yield _CONNECT
    failure: NotConnected | None = None
    for address in addresses:
        try:
            return Stream((yield Connect(address, source)))
        except NotConnected as error:
            if failure is None or not error.is_without_way:
                failure = error
    assert failure is not None, "a name has addresses"  # noqa: S101
    raise failure
