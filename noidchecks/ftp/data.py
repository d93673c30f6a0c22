"""Data connections: how they come about (PASV, EPSV, PORT, EPRT; RFC 959, 2428) and what moves over them."""

from __future__ import annotations

from ..address import Address
from ..dialogue import Accept, Close, Connect, Listen, LocalAddress, Receive, Send, Stream
from ..errors import LocalError, NotConnected, ProbeError, TlsError
from .control import Control
from .wire import epsv_port, pasv_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dialogue import Dialogue
    from ..drivers.sockets import Channel
    from ..files.content import Sink
    from .active import Active
    from .wire import Reply

# How long the server may take to say why a data connection has ended.
_REASON_PATIENCE = 1.0
# In active mode both connections may bring the news: how long each is listened to in turn.
_TURN = 0.2
_ABOUT_DATA = frozenset((425, 426, 522))
_NOT_OFFERED = frozenset((500, 501, 502, 504, 522))


class DataFailed(ProbeError):
    """The data connection failed, and the control connection is as good as before."""


class NotOffered(DataFailed):
    """The server does not know this way to a data connection."""


class Courier:
    """Opens data connections, one for each transfer, and moves what is to be moved.

    place says where the present data connection is, for messages; moved counts all bytes. foreign holds what was said
    of addresses that are not the server's. begun tells whether the server may have begun the last transfer. Data
    connections are secured when protected is set.
    """

    __slots__ = (
        "control", "place", "moved", "foreign", "begun", "protected", "_active", "_source", "_peer", "_channel"
    )  # fmt: skip

    def __init__(self, control: Control, peer: Address, active: Active | None, source: str) -> None:
        self.control = control
        self.place = ""
        self.moved = 0
        self.foreign: list[str] = []
        self.begun = False
        self.protected = False
        self._peer = peer
        self._active = active
        self._source = source
        self._channel: Channel | None = None

    def abandon(self) -> Dialogue[None]:
        """Breaks off a transfer that is under way, so that the server listens to commands again."""
        if self._channel is not None:
            yield Close(self._channel)

    def download(self, method: str, verb: str, argument: str, sink: Sink, limit: int) -> Dialogue[None]:
        """Feeds what the command brings to the sink; DataFailed, also for more than limit bytes."""
        stream = yield from self._open(method, verb, argument)
        if stream is None:
            return
        yield from self.control.enter("transfer")
        try:
            while data := (yield from stream.receive()):
                sink.feed(data)
                self.moved += len(data)
                if sink.size > limit:
                    raise DataFailed(f"more than {limit} bytes")
        except (NotConnected, TlsError) as failure:
            yield from self._give_up(stream.channel, failure)
        except DataFailed:
            yield Close(stream.channel)
            yield from self.control.poll(_REASON_PATIENCE)
            raise
        yield Close(stream.channel)
        yield from self._finish()

    def upload(self, method: str, argument: str, data: bytes) -> Dialogue[None]:
        """Stores the data under a name; DataFailed."""
        stream = yield from self._open(method, "STOR", argument)
        if stream is None:
            raise DataFailed("the server ended the transfer before it began")
        yield from self.control.enter("transfer")
        try:
            yield from stream.send(data)
            if stream.tls is not None:
                yield Send(stream.channel, stream.tls.end())
                # Tickets of TLS 1.3 that nobody read would turn our end into a reset, and the reset destroys the data.
                while (yield Receive(stream.channel, patience=_REASON_PATIENCE)):
                    pass
        except (NotConnected, TlsError) as failure:
            yield from self._give_up(stream.channel, failure)
        self.moved += len(data)
        yield Close(stream.channel)
        yield from self._finish()

    def _open(self, method: str, verb: str, argument: str) -> Dialogue[Stream | None]:
        """Opens a data connection and sends the command; None when the server has ended the transfer at once."""
        yield from self.control.enter("data")
        self.place = f"data channel: {method}"
        self.begun = False
        is_active = method in ("PORT", "EPRT")
        channel: Channel = yield from (self._listen(method) if is_active else self._connect(method))
        self._channel = channel
        self.begun = True
        reply = yield from self.control.command(verb, argument)
        if reply.code not in (125, 150):
            self.begun = reply.code < 400
            yield Close(channel)
            if reply.code in (226, 250) or (verb == "NLST" and _is_empty(reply)):
                return None
            self._blame(reply)
            raise DataFailed(f"{verb} refused: {self.control.words(reply)}")
        if is_active:
            self._channel = channel = yield from self._accept(method, channel)
        stream = Stream(channel)
        if self.protected and self.control.stream.tls is not None:
            layer = self.control.stream.tls.resume()
            try:
                yield from layer.handshake(channel)
            except TlsError as failure:
                yield from self._give_up(channel, failure)
            stream.tls = layer
        return stream

    def _connect(self, method: str) -> Dialogue[Channel]:
        reply = yield from self.control.command(method)
        host = self._peer.host
        if method == "EPSV":
            self._require(method, reply, 229)
            port = epsv_port(reply)
        else:
            self._require(method, reply, 227)
            announced, port = pasv_endpoint(reply)
            if announced != host:
                finding = f"PASV announces {announced}, which is not the server ({host}, used instead)"
                if finding not in self.foreign:
                    self.foreign.append(finding)
        self.place = f"data channel: {method} {host} port {port}"
        try:
            channel: Channel = yield Connect(at_port(self._peer, port), self._source)
        except NotConnected as failure:
            raise DataFailed(failure.message) from failure
        return channel

    def _listen(self, method: str) -> Dialogue[Channel]:
        own: Address = yield LocalAddress(self.control.stream.channel)
        ports = (0, 0) if self._active is None else self._active.ports
        listener: Channel = yield Listen(at_port(own, 0), ports)
        assert listener.address is not None, "a listener knows its address"  # noqa: S101
        port = listener.address.port
        host = (self._active.address if self._active is not None else "") or own.host.partition("%")[0]
        if (":" in host) is not (":" in own.host):
            raise LocalError(f"active address {host} is not of the family of the connection")
        self.place = f"data channel: {method} {host} port {port}"
        if method == "PORT":
            argument = f"{host.replace('.', ',')},{port >> 8},{port & 255}"
        else:
            argument = f"|{2 if ':' in host else 1}|{host}|{port}|"
        reply = yield from self.control.command(method, argument)
        if reply.code != 200:
            yield Close(listener)
            self._require(method, reply, 200)
        return listener

    def _accept(self, method: str, listener: Channel) -> Dialogue[Channel]:
        while True:
            channel: Channel | None = yield Accept(listener, _TURN)
            if channel is not None:
                break
            reply = yield from self.control.poll(_TURN)
            if reply is not None:
                yield Close(listener)
                raise DataFailed(f"the server does not connect: {self.control.words(reply)}")
        yield Close(listener)
        if channel.address is not None and channel.address.host != self._peer.host:
            finding = f"{method} is answered from {channel.address.host}, which is not the server ({self._peer.host})"
            if finding not in self.foreign:
                self.foreign.append(finding)
        return channel

    def _require(self, method: str, reply: Reply, code: int) -> None:
        if reply.code != code:
            kind = NotOffered if reply.code in _NOT_OFFERED else DataFailed
            raise kind(f"refused: {self.control.words(reply)}")

    def _give_up(self, channel: Channel, failure: ProbeError) -> Dialogue[None]:
        """Closes a data connection that failed, and adds what the server says of it; DataFailed always."""
        yield Close(channel)
        reply = yield from self.control.poll(_REASON_PATIENCE)
        said = "" if reply is None else f" ({self.control.words(reply)})"
        raise DataFailed(f"{failure.message}{said}") from failure

    def _blame(self, reply: Reply) -> None:
        # A file that is not there is not the fault of the data connection.
        if reply.code not in _ABOUT_DATA:
            self.place = ""

    def _finish(self) -> Dialogue[None]:
        reply = yield from self.control.reply()
        if reply.code not in (226, 250):
            self._blame(reply)
            raise DataFailed(f"transfer failed: {self.control.words(reply)}")
        self.place = ""


def at_port(address: Address, port: int) -> Address:
    """Returns the address with another port."""
    assert not isinstance(address.sockaddr, str), "a unix socket has no port"  # noqa: S101
    host, _, *rest = address.sockaddr
    return Address(address.family, (host, port, *rest))  # type: ignore[arg-type]  # as many fields as before


def _is_empty(reply: Reply) -> bool:
    """Tells whether this is how BSD's ftpd and its kin refuse to list the names of an empty folder."""
    return reply.code in (450, 550) and b"no files found" in reply.raw.lower()


def over_first(methods: list[str], attempt: Callable[[str], Dialogue[None]]) -> Dialogue[None]:
    """Makes the attempt over the first of the ways that the server offers; DataFailed."""
    for method in methods[:-1]:
        try:
            yield from attempt(method)
        except NotOffered:
            continue
        return
    yield from attempt(methods[-1])


def set_type(control: Control, letter: str) -> Dialogue[None]:
    """Sets the type of the transfers that follow: A for listings, I for files; PeerError."""
    reply = yield from control.command("TYPE", letter)
    if reply.code != 200:
        raise control.unexpected(f"TYPE {letter} refused", "200", reply)
