"""Data connections: how they come about (PASV, EPSV, PORT, EPRT; RFC 959, 2428) and what moves over them."""

from __future__ import annotations

from ..address import AF_INET6, Address
from ..dialogue.operations import Accept, Close, Connect, Listen, LocalAddress, Receive, Send
from ..dialogue.stream import Stream
from ..errors import LocalError, NotConnected, PeerError, ProbeError, TlsError
from .control import Control
from .listing import is_empty, is_refused_for_command
from .reply_values import epsv_port, pasv_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Channel, Dialogue
    from ..dialogue.stream import Layer
    from ..files.content import Sink
    from .active import Active
    from .wire import Reply

# How long the server may take to say why a data connection has ended.
_REASON_PATIENCE = 1.0
# After this many seconds without data the control connection is read: the server may have broken the transfer off.
_SILENCE = 2.0
# The share of the deadline after which a data port that does not answer is given up while another way is left, and the
# seconds when there is no deadline.
_SHARE, _NO_DEADLINE = 0.3, 10.0
_CANNOT_OPEN, _GOING_AWAY = 425, 421
_ABOUT_DATA = frozenset((425, 426, 522))
_LISTINGS = frozenset(("LIST", "MLSD", "NLST"))


class DataFailed(ProbeError):
    """The data connection failed, and the control connection is as good as before."""


class NotOpened(DataFailed):
    """There is no data connection this way; another way may be tried, since no transfer has begun."""


class NotOffered(NotOpened):
    """The server refuses this way to a data connection, with whatever code."""


class Refused(DataFailed):
    """The server refuses the transfer.

    unknown says that it does not know the command, for_command that another command may bring the same listing.
    """

    def __init__(self, message: str, *, unknown: bool, for_command: bool) -> None:
        super().__init__(message)
        self.unknown = unknown
        self.for_command = for_command


class DataConnection:
    """Opens data connections, one for each transfer, and moves what is to be moved.

    place says where the present data connection is, for messages; moved counts all bytes, opened the data connections
    by the way that they came about. foreign holds what was said of addresses that are not the server's. begun tells
    whether the server may have begun the last transfer. Data connections are secured when protected is set. timeout is
    the deadline of everything, in seconds.
    """

    __slots__ = (
        "control", "place", "moved", "opened", "foreign", "begun", "protected",
        "_active", "_source", "_peer", "_channel", "_timeout",
    )  # fmt: skip

    def __init__(self, control: Control, peer: Address, active: Active | None, source: str, timeout: float) -> None:
        self.control = control
        self.place = ""
        self.moved = 0
        self.opened: dict[str, int] = {}
        self.foreign: list[str] = []
        self.begun = False
        self.protected = False
        self._peer = peer
        self._active = active
        self._source = source
        self._timeout = timeout
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
        final: Reply | None = None
        try:
            # The end of the data connection is that of the data, whatever is said before (RFC 959 section 3.4.1).
            while final is None or final.kind == 2:
                data = yield from stream.receive(patience=_SILENCE if final is None else None)
                if data is None:
                    # The server may have broken the transfer off without the end of the data connection.
                    final = yield from self._look()
                    continue
                if not data:
                    break
                sink.feed(data)
                self.moved += len(data)
                if sink.size > limit:
                    raise DataFailed(f"more than {limit} bytes")
        except (NotConnected, TlsError) as failure:
            yield Close(stream.channel)
            final = final or (yield from self._reason())
            is_empty_listing = verb in _LISTINGS and not sink.size and isinstance(failure, NotConnected)
            if final is None or final.kind != 2 or not is_empty_listing:
                raise self._lost(failure, final) from failure
        except DataFailed:
            yield Close(stream.channel)
            yield from self.control.poll(_REASON_PATIENCE)
            raise
        yield Close(stream.channel)
        yield from self._finish(final)

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
                # Closing with unread TLS 1.3 tickets sends a reset, which destroys the data on its way.
                while (yield Receive(stream.channel, patience=_REASON_PATIENCE)):
                    pass
        except (NotConnected, TlsError) as failure:
            yield Close(stream.channel)
            raise self._lost(failure, (yield from self._reason())) from failure
        self.moved += len(data)
        yield Close(stream.channel)
        yield from self._finish(None)

    def _open(self, method: str, verb: str, argument: str) -> Dialogue[Stream | None]:
        """Opens a data connection and sends the command; None when the server has ended the transfer at once.

        The server may reply before or after it connects, and before or after it shakes hands: both are waited for.
        """
        yield from self.control.enter("data")
        self.place = f"data channel: {method}"
        self.begun = False
        self.opened.setdefault(method, 0)
        is_active = method in ("PORT", "EPRT")
        channel: Channel = yield from (self._listen(method) if is_active else self._connect(method))
        self._channel = channel
        self.begun = True
        yield from self.control.send(verb, argument)
        reply: Reply | None = None
        if is_active:
            connected, reply = yield from self._accept(method, channel)
            yield Close(channel)
            if connected is None:
                assert reply is not None, "either the server connects or it says something"  # noqa: S101
                self._require_nothing(verb, reply)
                return None
            self._channel = channel = connected
        self.opened[method] += 1
        stream = Stream(channel)
        if self.protected and self.control.stream.tls is not None:
            reply = yield from self._secure(stream, self.control.stream.tls.resume(), reply)
        elif reply is None:
            reply = yield from self.control.reply()
        if reply.kind == 1:
            return stream
        yield Close(channel)
        self._require_nothing(verb, reply)
        return None

    def _secure(self, stream: Stream, layer: Layer, reply: Reply | None) -> Dialogue[Reply]:
        """Shakes hands, and returns the first reply to the command."""
        channel = stream.channel
        try:
            while not (yield from layer.advance(channel)):
                if reply is None:
                    reply = yield from self.control.first(channel)
                    if reply is not None:
                        if reply.kind != 1:
                            return reply
                        continue
                yield from layer.take(channel)
        except TlsError as failure:
            yield Close(channel)
            said = yield from self.control.poll(_REASON_PATIENCE)
            if reply is None and said is not None and said.kind > 3:
                # It had no use for the connection.
                return said
            if said is not None and said.kind == 1:
                said = yield from self._reason()
            raise self._lost(failure, said) from failure
        stream.tls = layer
        return reply or (yield from self.control.reply())

    def _require_nothing(self, verb: str, reply: Reply) -> None:
        """Judges a reply in place of which a transfer was to begin: DataFailed unless there is nothing to transfer."""
        self.begun = reply.kind < 4
        if reply.kind == 2 or (verb in _LISTINGS and is_empty(reply)):
            return
        self._blame(reply)
        message = f"{verb} refused: {self.control.words(reply)}"
        if reply.code == _CANNOT_OPEN:
            raise NotOpened(message)
        for_command = reply.code not in _ABOUT_DATA and is_refused_for_command(reply)
        raise Refused(message, unknown=reply.is_unknown_command, for_command=for_command)

    def _connect(self, method: str) -> Dialogue[Channel]:
        try:
            return (yield from (self._extended_passive() if method == "EPSV" else self._passive()))
        except NotOpened as failure:
            if method == "EPSV" and self._peer.family == AF_INET6:
                failure.message += "; over IPv6 there is no PASV to try instead"
            raise

    def _extended_passive(self) -> Dialogue[Channel]:
        reply = yield from self.control.command("EPSV")
        self._require(reply, 229)
        try:
            port = epsv_port(reply)
        except PeerError as failure:
            raise NotOpened(failure.message) from failure
        patience = None
        if self._peer.family != AF_INET6:
            patience = self._timeout * _SHARE if self._timeout > 0 else _NO_DEADLINE
        return (yield from self._reach("EPSV", port, patience))

    def _passive(self) -> Dialogue[Channel]:
        reply = yield from self.control.command("PASV")
        self._require(reply, 227)
        try:
            announced, port = pasv_endpoint(reply)
        except PeerError as failure:
            raise NotOpened(failure.message) from failure
        host = self._peer.host
        if announced != host:
            shown = "an address" if self.control.jail else announced
            self._find(f"PASV announces {shown}, which is not the server ({host}, used instead)")
        return (yield from self._reach("PASV", port, None))

    def _reach(self, method: str, port: int, patience: float | None) -> Dialogue[Channel]:
        self.place = f"data channel: {method} {self._peer.host} port {port}"
        try:
            channel: Channel = yield Connect(at_port(self._peer, port), self._source, patience)
        except NotConnected as failure:
            raise NotOpened(failure.message) from failure
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
        if reply.kind != 2:
            yield Close(listener)
            self._require(reply, 200)
        return listener

    def _accept(self, method: str, listener: Channel) -> Dialogue[tuple[Channel | None, Reply | None]]:
        """Waits for the server to connect; returns its connection, and what it has said before or in place of it."""
        reply: Reply | None = None
        while (heard := (yield from self.control.first(listener))) is not None:
            if reply is None and heard.kind != 1:
                return None, heard
            if reply is not None and heard.kind > 1:
                # The connection may be on its way yet: the two may overtake each other.
                channel: Channel | None = yield Accept(listener, _REASON_PATIENCE)
                if channel is None and heard.kind == 2:
                    return None, heard
                if channel is None:
                    yield Close(listener)
                    raise DataFailed(f"the server does not connect: {self.control.words(heard)}")
                self.control.put_back(heard)
                break
            reply = heard
        else:
            channel = yield Accept(listener)
        if channel is not None and channel.address is not None and channel.address.host != self._peer.host:
            self._find(f"{method} is answered from {channel.address.host}, which is not the server ({self._peer.host})")
        return channel, reply

    def _find(self, finding: str) -> None:
        if finding not in self.foreign:
            self.foreign.append(finding)

    def _require(self, reply: Reply, code: int) -> None:
        if reply.code == _GOING_AWAY:
            raise PeerError(f"refused: {self.control.words(reply)}", expected=str(code), received=reply.raw)
        if reply.code != code:
            raise NotOffered(f"refused: {self.control.words(reply)}")

    def _look(self) -> Dialogue[Reply | None]:
        """Returns the final reply if it is there already."""
        while (reply := (yield from self.control.poll(0.0))) is not None and reply.kind == 1:
            pass
        return reply

    def _reason(self) -> Dialogue[Reply | None]:
        """Returns what the server says of a data connection that has failed, if it says it soon."""
        while (reply := (yield from self.control.poll(_REASON_PATIENCE))) is not None and reply.kind == 1:
            pass
        return reply

    def _lost(self, failure: ProbeError, reply: Reply | None) -> DataFailed:
        said = "" if reply is None else f" ({self.control.words(reply)})"
        return DataFailed(f"{failure.message}{said}")

    def _blame(self, reply: Reply) -> None:
        # A file that is not there is not the fault of the data connection.
        if reply.code not in _ABOUT_DATA:
            self.place = ""

    def _finish(self, final: Reply | None) -> Dialogue[None]:
        while final is None or final.kind == 1:
            final = yield from self.control.reply()
        if final.kind != 2:
            self._blame(final)
            raise DataFailed(f"transfer failed: {self.control.words(final)}")
        self.place = ""


def at_port(address: Address, port: int) -> Address:
    """Returns the address with another port."""
    assert not isinstance(address.sockaddr, str), "a unix socket has no port"  # noqa: S101
    host, _, *rest = address.sockaddr
    return Address(address.family, (host, port, *rest))  # type: ignore[arg-type]  # as many fields as before


def set_type(control: Control, letter: str) -> Dialogue[None]:
    """Sets the type of the transfers that follow: A for listings, I for files; PeerError."""
    reply = yield from control.command("TYPE", letter)
    if reply.kind != 2:
        raise control.unexpected(f"TYPE {letter} refused", "200", reply)
