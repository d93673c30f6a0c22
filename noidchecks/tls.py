"""TLS as a layer of a stream: handshake, records and what the certificate says; imported only when TLS is asked for."""

from __future__ import annotations

import ssl

from .dialogue import SEGMENT, Phase, Receive, Send
from .errors import LocalError, NotConnected, TlsError
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from .dialogue import Dialogue, Stream
    from .drivers.sockets import Channel


class TlsSettings(Value):
    """How TLS is to be spoken: the name sent as SNI, and whether chain and that name are verified.

    The authorities are those of the system, or those in ca_file (PEM).
    """

    __slots__ = ("server_name", "verify", "ca_file")
    server_name: str
    verify: bool
    ca_file: str

    def __init__(self, server_name: str = "", *, verify: bool = False, ca_file: str = "") -> None:
        self._fill(locals())


class TlsFacts(Value):
    """What a handshake agreed on, and the server's own certificate."""

    __slots__ = ("version", "cipher", "subject", "not_after", "der")
    version: str
    cipher: str
    subject: str
    not_after: datetime
    der: bytes

    def __init__(self, version: str, cipher: str, subject: str, not_after: datetime, der: bytes) -> None:
        self._fill(locals())


class TlsLayer:
    """The TLS of one stream; bytes in, bytes out, no socket."""

    __slots__ = ("_settings", "_incoming", "_outgoing", "_object")
    _object: ssl.SSLObject

    def __init__(self, settings: TlsSettings, resumed: TlsLayer | None = None) -> None:
        self._settings = settings
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        name = settings.server_name or None
        # A session belongs to its context, and a ticket of TLS 1.3 came with the first bytes read after the handshake.
        context = _context(settings) if resumed is None else resumed._object.context
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
            # It waits for the peer's own; ours is written by now.
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
        """Receives 1..limit bytes of plain text; b"" at the end, None after patience seconds without a byte."""
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
        """Shakes hands; TlsError with OpenSSL's reason, or with what ended the connection."""
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as error:
                yield from self._send_alert(channel)
                raise TlsError(f"Cannot verify certificate: {error.verify_message}") from error
            except ssl.SSLError as error:
                yield from self._send_alert(channel)
                raise TlsError(f"Cannot make SSL connection: {_reason(error)}") from error
            else:
                yield Send(channel, self._outgoing.read())
                return
            try:
                if self._outgoing.pending:
                    yield Send(channel, self._outgoing.read())
                data: bytes = yield Receive(channel)
            except NotConnected as error:
                raise TlsError(f"Cannot make SSL connection: {error.message}") from error
            self._feed(data)

    def facts(self) -> TlsFacts:
        """Returns what was agreed on and the certificate; only after the handshake. TlsError for an unreadable one."""
        from cryptography import x509

        der = self._object.getpeercert(True) or b""
        try:
            certificate = x509.load_der_x509_certificate(der)
            names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            subject = names[-1].value if names else "unknown CN"
            not_after = certificate.not_valid_after_utc
        except ValueError as error:
            raise TlsError("Cannot read the server's certificate") from error
        cipher = self._object.cipher()
        name = subject if isinstance(subject, str) else subject.decode("latin-1")
        return TlsFacts(self._object.version() or "", cipher[0] if cipher else "", name, not_after, der)

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
            # The reason for the alert is the news, not that the peer did not wait for it.
            pass


def load_x509() -> None:
    """Loads the reader of certificates, so that TlsLayer.facts() does not have to."""
    import cryptography.x509  # noqa: F401  # loaded for its effect


def start_tls(stream: Stream, settings: TlsSettings) -> Dialogue[TlsLayer]:
    """Starts TLS on the stream, which speaks through it from then on; TlsError."""
    yield Phase("tls")
    layer = TlsLayer(settings)
    yield from layer.handshake(stream.channel)
    stream.tls = layer
    return layer


def _context(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Servers of this protocol commonly close without close_notify; a short answer is seen by the protocol above.
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    if settings.verify and settings.ca_file:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError as error:
            raise LocalError(
                f"Cannot read CA file {settings.ca_file}: {error.strerror or 'no certificate in it'}"
            ) from error
    elif settings.verify:
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "connection closed by the peer"
    # "WRONG_VERSION_NUMBER" and not the library's file names and line numbers.
    return error.reason.replace("_", " ").lower() if error.reason else "protocol error"
