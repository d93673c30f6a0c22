"""Opening data connections: PASV, EPSV, PORT, EPRT (RFC 959, 2428)."""

from __future__ import annotations

from ..address import AF_INET6, Address
from ..dialogue.operations import Accept, Close, Connect, Listen, LocalAddress
from ..errors import LocalError, NotConnected, PeerError
from .reply_values import epsv_port, pasv_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Channel, Dialogue
    from .active import Active
    from .control import Control
    from .wire import Reply

# The seconds to wait for a reply that explains why a data connection has failed.
REASON_PATIENCE = 1.0
# The time after which a data port that does not answer is abandoned while another method is left: a share of the
# timeout, or seconds when there is no timeout.
_SHARE, _NO_DEADLINE = 0.3, 10.0
_DONE, _GOING_AWAY = 200, 421


class DataFailed(PeerError):
    """The data connection failed; the control connection still works."""

    def __init__(self, message: str, reply: Reply | None = None) -> None:
        super().__init__(message, expected="data", received=b"" if reply is None else reply.raw)


class NotOpened(DataFailed):
    """The method opened no data connection; no transfer has begun, so another method may be tried."""


class NotOffered(NotOpened):
    """The server refuses the method (PASV, EPSV, PORT, EPRT), with any code."""


class Opening:
    """Opens data connections in passive mode, and accepts them in active mode.

    place describes the current data connection for messages; foreign has the findings about addresses that are not the
    server's. timeout is that of the whole check, in seconds.
    """

    __slots__ = ("control", "place", "foreign", "_active", "_source", "_peer", "_timeout")

    def __init__(self, control: Control, peer: Address, active: Active | None, source: str, timeout: float) -> None:
        self.control = control
        self.place = ""
        self.foreign: list[str] = []
        self._peer = peer
        self._active = active
        self._source = source
        self._timeout = timeout

    def connect(self, method: str) -> Dialogue[Channel]:
        """Opens a passive data connection to the port that the server announces; raises NotOpened."""
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

    def listen(self, method: str) -> Dialogue[Channel]:
        """Listens on a port and sends its address by PORT or EPRT; returns the listener. Raises NotOffered."""
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

    def accept(self, method: str, listener: Channel) -> Dialogue[tuple[Channel | None, Reply | None]]:
        """Waits for the server to connect; returns the connection or None, and a reply sent before it or instead."""
        reply: Reply | None = None
        while (heard := (yield from self.control.first(listener))) is not None:
            if reply is None and (heard := (yield from self.beginning(heard))).kind != 1:
                return None, heard
            if reply is not None and heard.kind > 1:
                # The connection may still arrive: a reply and a connection can overtake each other.
                channel: Channel | None = yield Accept(listener, REASON_PATIENCE)
                if channel is None and heard.kind == 2:
                    return None, heard
                if channel is None:
                    yield Close(listener)
                    raise DataFailed(f"the server does not connect: {self.control.words(heard)}", heard)
                self.control.put_back(heard)
                break
            reply = heard
        else:
            channel = yield Accept(listener)
        if channel is not None and channel.address is not None and channel.address.host != self._peer.host:
            self._find(f"{method} is answered from {channel.address.host}, which is not the server ({self._peer.host})")
        return channel, reply

    def beginning(self, reply: Reply) -> Dialogue[Reply]:
        """Returns the first reply to a transfer; for a 200, the next reply if it comes within a second.

        Some servers send 200 before the 150, as for any other command.
        """
        later = (yield from self.control.poll(REASON_PATIENCE)) if reply.code == _DONE else None
        return later or reply

    def _find(self, finding: str) -> None:
        if finding not in self.foreign:
            self.foreign.append(finding)

    def _require(self, reply: Reply, code: int) -> None:
        if reply.code == _GOING_AWAY:
            raise PeerError(f"refused: {self.control.words(reply)}", expected=str(code), received=reply.raw)
        if reply.code != code:
            raise NotOffered(f"refused: {self.control.words(reply)}", reply)


def at_port(address: Address, port: int) -> Address:
    """Returns the address with another port."""
    assert not isinstance(address.sockaddr, str), "a unix socket has no port"  # noqa: S101
    host, _, *rest = address.sockaddr
    return Address(address.family, (host, port, *rest))  # type: ignore[arg-type]  # as many fields as before
