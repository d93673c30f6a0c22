"""The stream of most dialogues: a connection, in plain text or through a layer such as TLS."""

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
        """The interface of a layer between a stream and its channel, such as TlsLayer."""

        def encrypt(self, data: bytes) -> bytes:
            """Returns the bytes that the channel must send for the data."""

        def receive(self, channel: Channel, limit: int, patience: float | None) -> Dialogue[bytes | None]:
            """Receives 1..limit bytes of plain text; b"" at the end, None after patience seconds without a byte."""

        def end(self) -> bytes:
            """Returns the bytes that tell the peer that nothing more will be sent."""

        def resume(self) -> Layer:
            """Returns the layer for another stream to the same server, which resumes the session of this one."""

        def advance(self, channel: Channel) -> Dialogue[bool]:
            """Continues the handshake with the bytes received so far, and tells whether it is complete."""

        def take(self, channel: Channel) -> Dialogue[None]:
            """Receives the next bytes of the handshake."""


# Shared, because a phase holds only its name and nearly every check enters these two.
_RESOLVE, _CONNECT = Phase("resolve"), Phase("connect")


class Stream:
    """A connected stream; after start_tls(), send and receive use the TLS layer."""

    __slots__ = ("channel", "tls")

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.tls: Layer | None = None

    def send(self, data: bytes, shown: bytes = b"") -> Dialogue[None]:
        """Sends all of the data; the transcript shows the text shown, if any, in place of secret data."""
        if self.tls is None:
            yield Send(self.channel, data, shown)
        else:
            yield Send(self.channel, self.tls.encrypt(data), shown or data)

    def receive(self, limit: int = SEGMENT, patience: float | None = None) -> Dialogue[bytes | None]:
        """Receives 1..limit bytes; returns b"" at the end, None after patience seconds without a byte."""
        if self.tls is not None:
            data: bytes | None = yield from self.tls.receive(self.channel, limit, patience)
            if data:
                from .operations import Decrypted

                yield Decrypted(self.channel, data)
            return data
        answer: bytes | None = yield Receive(self.channel, limit, patience)
        return answer

    def end(self) -> Dialogue[None]:
        """Sends close_notify (RFC 8446 section 6.1) when TLS is in use and the peer is still connected."""
        if self.tls is not None:
            try:
                yield Send(self.channel, self.tls.end())
            except NotConnected:
                # The caller reads what the peer has sent before.
                pass


def open_stream(host: str, port: int, family: int, source: str = "") -> Dialogue[Stream]:
    """Resolves the host and tries its addresses one after the other until one accepts the connection.

    The C plugins do the same, so that localhost and dual-stack hosts give the same results; all attempts share the
    deadline. When all fail, raises the error of the last address to which this machine has a route.
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
