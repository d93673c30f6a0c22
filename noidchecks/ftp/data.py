"""Transfers over data connections (RFC 959), each of which is opened for one transfer."""

from __future__ import annotations

from ..dialogue.operations import Await, Close, Receive
from ..dialogue.stream import Stream
from ..errors import NotConnected, PeerError, TlsError
from .listing import is_empty, is_refused_for_command
from .opening import REASON_PATIENCE, DataFailed, NotOpened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Channel, Dialogue
    from ..dialogue.stream import Layer
    from ..errors import ProbeError
    from ..files.content import Sink
    from .control import Control
    from .opening import Opening
    from .wire import Reply

# After this many seconds without data the control connection is read: the server may have aborted the transfer.
_SILENCE = 2.0
# The seconds by which a reply may overtake data that the server sent before it.
_AHEAD = 0.25
_CANNOT_OPEN = 425
_ABOUT_DATA = frozenset((425, 426, 522))
_LISTINGS = frozenset(("LIST", "MLSD", "NLST"))


class Refused(DataFailed):
    """The server refuses the transfer.

    unknown says that it does not know the command, for_command that another command may return the same listing.
    """

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message, reply)
        self.unknown = reply.is_unknown_command
        self.for_command = reply.code not in _ABOUT_DATA and is_refused_for_command(reply)


class DataConnection:
    """Opens a data connection for each transfer and performs the transfer over it.

    moved counts the bytes of all transfers, opened the data connections by method (EPSV, PASV, PORT, EPRT). begun tells
    whether the server may have begun the last transfer. With protected, data connections use TLS.
    """

    __slots__ = ("control", "opening", "moved", "opened", "begun", "protected", "_channel")

    def __init__(self, opening: Opening) -> None:
        self.control = opening.control
        self.opening = opening
        self.moved = 0
        self.opened: dict[str, int] = {}
        self.begun = False
        self.protected = False
        self._channel: Channel | None = None

    def abandon(self) -> Dialogue[None]:
        """Closes the last data connection, which aborts a running transfer, so that the server reads commands again."""
        if self._channel is not None:
            yield Close(self._channel)

    def download(self, method: str, verb: str, argument: str, sink: Sink, limit: int) -> Dialogue[Reply | None]:
        """Sends the command and feeds the received data to the sink; DataFailed, also for more than limit bytes.

        Returns the final reply, or None when the server had nothing to send.
        """
        stream = yield from self._open(method, verb, argument)
        if stream is None:
            return None
        yield from self.control.enter("transfer")
        final: Reply | None = None
        try:
            # The data ends with the data connection, even if a final reply comes before (RFC 959 section 3.4.1).
            while final is None or final.kind == 2:
                data = yield from stream.receive(patience=_SILENCE if final is None else None)
                if data is None:
                    # The server may have aborted the transfer without closing the data connection.
                    final = yield from self._look()
                    continue
                if not data:
                    # Without close_notify, servers may take the connection for a truncated one.
                    yield from stream.end()
                    break
                sink.feed(data)
                self.moved += len(data)
                if sink.size > limit:
                    # The data connection is not the cause.
                    self.opening.place = ""
                    raise DataFailed(f"more than {limit} bytes")
        except (NotConnected, TlsError) as failure:
            yield Close(stream.channel)
            final = final or (yield from self._reason())
            is_empty_listing = verb in _LISTINGS and not sink.size and isinstance(failure, NotConnected)
            if final is None or final.kind != 2 or not is_empty_listing:
                raise self._lost(failure, final) from failure
        except DataFailed:
            yield Close(stream.channel)
            yield from self._heard()
            raise
        yield Close(stream.channel)
        return (yield from self._finish(final))

    def upload(self, method: str, argument: str, data: bytes) -> Dialogue[None]:
        """Stores the data under the name in argument; raises DataFailed."""
        stream = yield from self._open(method, "STOR", argument)
        assert stream is not None, "there is something to store"  # noqa: S101
        yield from self.control.enter("transfer")
        try:
            yield from stream.send(data)
        except (NotConnected, TlsError) as failure:
            yield Close(stream.channel)
            raise self._lost(failure, (yield from self._reason())) from failure
        if stream.tls is not None:
            yield from stream.end()
            yield from self._hear_out(stream.channel)
        self.moved += len(data)
        yield Close(stream.channel)
        yield from self._finish(None)

    def _hear_out(self, channel: Channel) -> Dialogue[None]:
        """Receives and drops the bytes that a server sends after an upload over TLS; the reply tells the outcome.

        Closing the socket while TLS 1.3 tickets are unread would send a reset, which destroys data in flight. IIS sends
        nothing and waits for the client to close; some servers reset the connection when they have all data.
        """
        try:
            while heard := (yield Receive(channel, patience=REASON_PATIENCE)):
                pass
            self.control.waited += REASON_PATIENCE if heard is None else 0.0
        except NotConnected:
            pass

    def _open(self, method: str, verb: str, argument: str) -> Dialogue[Stream | None]:
        """Opens a data connection and sends the command; None when the server has nothing to list. DataFailed.

        The server may reply before or after it connects, and before or after the TLS handshake; both orders work.
        """
        yield from self.control.enter("data")
        opening = self.opening
        opening.place = f"data channel: {method}"
        self.begun = False
        self.opened.setdefault(method, 0)
        is_active = method in ("PORT", "EPRT")
        channel: Channel = yield from (opening.listen(method) if is_active else opening.connect(method))
        self._channel = channel
        self.begun = True
        yield from self.control.send(verb, argument)
        reply: Reply | None = None
        if is_active:
            connected, reply = yield from opening.accept(method, channel)
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
            reply = yield from opening.beginning((yield from self.control.reply()))
        if reply.kind == 1:
            return stream
        is_readable = (stream.tls is not None) is self.protected
        if reply.kind == 2 and verb in _LISTINGS and is_readable and (yield Await((channel,), _AHEAD)) is channel:
            # The data counts although no preliminary reply (1yz) announced it.
            self.control.put_back(reply)
            return stream
        yield Close(channel)
        self._require_nothing(verb, reply)
        return None

    def _secure(self, stream: Stream, layer: Layer, reply: Reply | None) -> Dialogue[Reply]:
        """Performs the TLS handshake and returns the first reply to the command; raises DataFailed."""
        channel = stream.channel
        final: Reply | None = None
        try:
            while not (yield from layer.advance(channel)):
                heard = None if final is not None else (yield from self.control.first(channel))
                if heard is None:
                    yield from layer.take(channel)
                elif reply is not None and heard.kind != 1:
                    final = heard
                    if heard.kind != 2:
                        yield Close(channel)
                        yield from self._finish(heard)
                else:
                    reply = yield from self.opening.beginning(heard)
                    if reply.kind != 1:
                        return reply
        except TlsError as failure:
            yield Close(channel)
            said = final or (yield from self._heard())
            if reply is None and said is not None and said.kind > 3:
                # The server refused the command, so it did not start TLS on the data connection.
                return said
            if said is not None and said.kind == 1:
                said = yield from self._reason()
            raise self._lost(failure, said) from failure
        if final is not None:
            self.control.put_back(final)
        stream.tls = layer
        return reply or (yield from self.opening.beginning((yield from self.control.reply())))

    def _require_nothing(self, verb: str, reply: Reply) -> None:
        """Judges a reply other than 125 or 150 to a transfer command: DataFailed unless there is nothing to list.

        Even an empty file is sent between a reply 125 or 150 and the final one (RFC 959 section 5.4).
        """
        self.begun = reply.kind < 4
        if verb in _LISTINGS and (reply.kind == 2 or is_empty(reply)):
            return
        if reply.kind == 2:
            raise DataFailed(f"the server ended the transfer before it began: {self.control.words(reply)}", reply)
        self._blame(reply)
        message = f"{verb} refused: {self.control.words(reply)}"
        if reply.code == _CANNOT_OPEN:
            raise NotOpened(message, reply)
        raise Refused(message, reply)

    def _look(self) -> Dialogue[Reply | None]:
        """Returns the final reply if it has already arrived, else None."""
        while (reply := (yield from self.control.poll(0.0))) is not None and reply.kind == 1:
            pass
        return reply

    def _reason(self) -> Dialogue[Reply | None]:
        """Returns the final reply to a transfer whose data connection has failed, None when it does not come soon."""
        while (reply := (yield from self._heard())) is not None and reply.kind == 1:
            pass
        return reply

    def _heard(self) -> Dialogue[Reply | None]:
        """Returns a reply that comes within a second after a failure; None without one or when the connection ends."""
        try:
            return (yield from self.control.poll(REASON_PATIENCE))
        except (NotConnected, PeerError, TlsError):
            return None

    def _lost(self, failure: ProbeError, reply: Reply | None) -> DataFailed:
        said = "" if reply is None else f" ({self.control.words(reply)})"
        return DataFailed(f"{failure.message}{said}", reply)

    def _blame(self, reply: Reply) -> None:
        # A missing file, for example, is not a failure of the data connection.
        if reply.code not in _ABOUT_DATA:
            self.opening.place = ""

    def _finish(self, final: Reply | None) -> Dialogue[Reply]:
        while final is None or final.kind == 1:
            final = yield from self.control.reply()
        if final.kind != 2:
            self._blame(final)
            raise DataFailed(f"transfer failed: {self.control.words(final)}", final)
        self.opening.place = ""
        return final


def set_type(control: Control, letter: str) -> Dialogue[None]:
    """Sets the type of the following transfers: A for listings, I for files; raises PeerError."""
    reply = yield from control.command("TYPE", letter)
    if reply.kind != 2:
        raise control.unexpected(f"TYPE {letter} refused", "200", reply)
