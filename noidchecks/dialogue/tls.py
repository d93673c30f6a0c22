"""TLS as a layer of a stream: handshake, records and certificate; imported only by checks that use TLS."""

from __future__ import annotations

import ssl

from ..errors import NO_TLS, LocalError, NotConnected, TlsError
from ..value import Value
from .certificate import Certificate, pin_of, require_version
from .operations import SEGMENT, Phase, Receive, Send
from .tls_context import context_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..status.gate import Gate
    from .operations import Channel, Dialogue
    from .stream import Stream

# _ssl.ENCODING_DER, which has no public name.
_DER = 2
# OpenSSL's reasons when the two sides have no version in common.
_TOO_OLD = frozenset(("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"))


class TlsSettings(Value):
    """The settings of TLS: the name sent as SNI, and whether the chain and that name are verified.

    A name is sent and verified without its trailing dot (RFC 6066 section 3), an address without its scope. The
    authorities are those of the system, or those in ca_file (PEM). minimum is the oldest accepted version, "1.2" or
    "1.3". pins are SHA-256 fingerprints, one of which the server's certificate or public key must have. Raises
    UsageError.
    """

    server_name: str
    verify: bool
    ca_file: str
    minimum: str
    pins: tuple[str, ...]

    def __init__(
        self,
        server_name: str = "",
        *,
        verify: bool = False,
        ca_file: str = "",
        minimum: str = "",
        pins: tuple[str, ...] = (),
    ) -> None:
        pins = tuple(map(pin_of, pins))
        require_version(minimum)
        server_name = server_name.removesuffix(".").lower()
        if ":" in server_name:
            server_name = server_name.partition("%")[0]
        self._fill(locals())


class TlsFacts(Value):
    """The negotiated version and cipher suite, and the certificates that the server sent, its own first."""

    version: str
    cipher: str
    chain: tuple[Certificate, ...]

    def __init__(self, version: str, cipher: str, chain: tuple[Certificate, ...]) -> None:
        self._fill(locals())


class TlsLayer:
    """The TLS of one stream, sans-IO: it turns bytes into bytes and has no socket."""

    __slots__ = ("_settings", "_incoming", "_outgoing", "_object")
    _object: ssl.SSLObject

    def __init__(self, settings: TlsSettings, resumed: TlsLayer | None = None) -> None:
        self._settings = settings
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        name = settings.server_name or None
        # A session is valid only in its own context. In TLS 1.3 it needs the ticket that the server sends after the
        # handshake, so the resumed layer must have read data.
        if resumed is None:
            context = context_for(verify=settings.verify, ca_file=settings.ca_file)
        else:
            context = resumed._object.context
        session = None if resumed is None else resumed._object.session
        try:
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)
        except ValueError as error:
            raise TlsError(f"Cannot use server name: {error}") from error

    def resume(self) -> TlsLayer:
        """Returns the layer for another stream to the same server, which resumes the session of this one."""
        return TlsLayer(self._settings, self)

    def end(self) -> bytes:
        """Returns the record that tells the peer that nothing more will be sent."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            # OpenSSL waits for the peer's close_notify; its own one is already written.
            pass
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Returns the records for the data."""
        try:
            self._object.write(data)
        except ssl.SSLError as error:
            raise TlsError(f"TLS: {_reason(error)}") from error
        return self._outgoing.read()

    def receive(self, channel: Channel, limit: int, patience: float | None) -> Dialogue[bytes | None]:
        """Receives 1..limit bytes of plain text; returns b"" at the end, None after patience seconds without a byte."""
        while True:
            try:
                return self._object.read(limit)
            except ssl.SSLWantReadError:
                pass
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise TlsError(f"TLS: {_reason(error)}") from error
            if self._outgoing.pending:
                yield Send(channel, self._outgoing.read())
            data: bytes | None = yield Receive(channel, SEGMENT, patience)
            if data is None:
                return None
            self._feed(data)

    def handshake(self, channel: Channel) -> Dialogue[None]:
        """Performs the handshake; raises TlsError with OpenSSL's reason, a lost connection, or the violated setting."""
        while not (yield from self.advance(channel)):
            yield from self.take(channel)

    def advance(self, channel: Channel) -> Dialogue[bool]:
        """Continues the handshake with the bytes received so far, and tells whether it is complete; TlsError."""
        is_complete = True
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            is_complete = False
        except ssl.SSLCertVerificationError as error:
            yield from self._send_alert(channel)
            raise TlsError(f"Cannot verify certificate: {error.verify_message}") from error
        except ssl.SSLError as error:
            yield from self._send_alert(channel)
            if self._settings.minimum and error.reason in _TOO_OLD:
                raise self._older(_reason(error)) from error
            raise TlsError(f"{NO_TLS} ({_reason(error)})") from error
        try:
            if self._outgoing.pending:
                yield Send(channel, self._outgoing.read())
        except NotConnected as error:
            raise _lost(error) from error
        if is_complete:
            self._accept()
        return is_complete

    def take(self, channel: Channel) -> Dialogue[None]:
        """Receives the next bytes of the handshake; TlsError when the connection is lost."""
        try:
            data: bytes = yield Receive(channel)
        except NotConnected as error:
            raise _lost(error) from error
        self._feed(data)

    def facts(self, gate: Gate | None = None) -> TlsFacts:
        """Returns the negotiated values and the certificates after the handshake; TlsError for an unreadable one.

        The gate masks secrets in the names of the certificates.
        """
        from .x509 import read

        cipher = self._object.cipher()
        chain = tuple(read(der, gate) for der in self._chain())
        return TlsFacts(self._object.version() or "", cipher[0] if cipher else "", chain)

    def _chain(self) -> list[bytes]:
        own = self._object.getpeercert(True) or b""
        if hasattr(self._object, "get_unverified_chain"):
            chain: list[bytes] = self._object.get_unverified_chain()
            return chain or [own]
        # The method is public only from Python 3.13 on; before, the private inner object may have it. Without it, only
        # the server's own certificate is judged.
        inner = getattr(getattr(self._object, "_sslobj", None), "get_unverified_chain", None)
        return [certificate.public_bytes(_DER) for certificate in (inner() if inner else None) or ()] or [own]

    def _accept(self) -> None:
        """Raises TlsError for a version that is too old and for a certificate that matches none of the pins."""
        settings = self._settings
        version = (self._object.version() or "").removeprefix("TLSv")
        if settings.minimum and version < settings.minimum:
            raise self._older(f"received TLS {version}")
        if not settings.pins:
            return
        from .x509 import fingerprints

        certificate, key = fingerprints(self._object.getpeercert(True) or b"")
        if certificate not in settings.pins and key not in settings.pins:
            raise TlsError(f"Certificate has none of the pins: its SHA-256 is {certificate}, that of its key {key}")

    def _older(self, received: str) -> TlsError:
        return TlsError(f"TLS version: expected at least TLS {self._settings.minimum}, {received}")

    def _feed(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _send_alert(self, channel: Channel) -> Dialogue[None]:
        try:
            if self._outgoing.pending:
                yield Send(channel, self._outgoing.read())
        except NotConnected:
            # The reason for the alert is reported, not that the peer has closed the connection before.
            pass


def load_x509() -> None:
    """Imports the certificate parser before the handshake, whose time it would lengthen."""
    from . import x509  # noqa: F401  # loaded for its effect


def load_context(*, verify: bool, ca_file: str) -> None:
    """Reads the authorities before the handshake, whose time it would lengthen; the handshake reports their errors."""
    try:
        context_for(verify=verify, ca_file=ca_file)
    except LocalError:
        pass


def start_tls(stream: Stream, settings: TlsSettings) -> Dialogue[TlsLayer]:
    """Performs the handshake on the stream, which uses TLS from then on; raises TlsError."""
    yield Phase("tls")
    layer = TlsLayer(settings)
    yield from layer.handshake(stream.channel)
    stream.tls = layer
    return layer


def _lost(error: NotConnected) -> TlsError:
    return TlsError(f"{NO_TLS} ({error.message})")


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "connection closed by the peer"
    # The reason, such as "WRONG_VERSION_NUMBER", without the library's file names and line numbers.
    return error.reason.replace("_", " ").lower() if error.reason else "protocol error"
