"""TLS as a layer of a stream: handshake, records and what the certificate says; imported only when TLS is asked for."""

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
# What OpenSSL says when the two sides have no version in common.
_TOO_OLD = frozenset(("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"))


class TlsSettings(Value):
    """How TLS is to be spoken: the name sent as SNI, and whether chain and that name are verified.

    A name is sent and verified without the dot at its end (RFC 6066 section 3), an address without its scope.
    The authorities are those of the system, or those in ca_file (PEM). minimum is the oldest version that will do,
    "1.2" or "1.3". pins are SHA-256 of which the server's certificate or its public key must have one. UsageError.
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
    """What a handshake agreed on, and the certificates that the server sent, its own first."""

    version: str
    cipher: str
    chain: tuple[Certificate, ...]

    def __init__(self, version: str, cipher: str, chain: tuple[Certificate, ...]) -> None:
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
            # OpenSSL wants to read the peer's close_notify; its own is written by now.
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
        """Performs the handshake; TlsError with OpenSSL's reason, a lost connection, or the setting that is not met."""
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
        """Returns what was agreed on and the certificates; only after the handshake. TlsError for an unreadable one.

        What a certificate names goes through the gate.
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
        # Public only from Python 3.13 on; before, the object inside has it, if any: the rest of a chain is a bonus.
        inner = getattr(getattr(self._object, "_sslobj", None), "get_unverified_chain", None)
        return [certificate.public_bytes(_DER) for certificate in (inner() if inner else None) or ()] or [own]

    def _accept(self) -> None:
        """Raises TlsError for a version that is too old, and for a certificate that has none of the pins."""
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
            # The reason for the alert is the news, not that the peer did not wait for it.
            pass


def load_x509() -> None:
    """Loads the reader of certificates, so that the handshake does not have to."""
    from . import x509  # noqa: F401  # loaded for its effect


def load_context(*, verify: bool, ca_file: str) -> None:
    """Reads the authorities, so that the handshake does not have to; what is wrong with them is left to that."""
    try:
        context_for(verify=verify, ca_file=ca_file)
    except LocalError:
        pass


def start_tls(stream: Stream, settings: TlsSettings) -> Dialogue[TlsLayer]:
    """Starts TLS on the stream, which speaks through it from then on; TlsError."""
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
    # "WRONG_VERSION_NUMBER" and not the library's file names and line numbers.
    return error.reason.replace("_", " ").lower() if error.reason else "protocol error"
