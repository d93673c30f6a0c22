"""The FTP conversation of a check: connect, read the greeting, secure the connection if asked, quit."""

from __future__ import annotations

from ..dialogue.operations import Phase, Redact, Sleep
from ..dialogue.stream import open_stream
from ..errors import DeadlineExceeded, NotConnected, PeerError, ProbeError
from ..status.text import printable
from .wire import ReplyReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..dialogue.operations import Dialogue
    from ..dialogue.stream import Stream
    from ..dialogue.tls import TlsFacts
    from .control import Control
    from .probe import FtpProbe
    from .session import DeepFindings
    from .wire import Reply

# As the C plugin: so long it waits for more after an answer that does not match yet.
READ_GAP = 2.0
# A last line without its line end is complete as soon as the peer pauses.
_LINE_PAUSE = 0.25
# The C plugin's buffer; with a limit (-m) it decides how far the reading overshoots.
_CHUNK = 1024
# RFC 4217, and what servers of the drafts before it say (RFC 2228).
_TLS_GRANTED = (234, 334)


class FtpFindings:
    """What was seen: the answer, whether it was the expected one, TLS, what is behind the login, the failure."""

    __slots__ = ("received", "matched", "reply", "tls", "address", "deep", "failure")

    def __init__(self) -> None:
        self.received = b""
        self.matched = False
        self.reply: Reply | None = None
        self.tls: TlsFacts | None = None
        self.address: Address | None = None
        self.deep: DeepFindings | None = None
        self.failure: ProbeError | None = None


def converse(probe: FtpProbe) -> Dialogue[FtpFindings]:
    """Holds the conversation that the probe's settings describe; a failure is part of the findings."""
    findings = FtpFindings()
    try:
        for secret in probe.gate.secrets:
            yield Redact(secret)
        yield from _converse(probe, findings)
    except ProbeError as failure:
        # Drivers name the phase of what they raise; what the dialogue itself raises is about securing the connection.
        failure.phase = failure.phase or "tls"
        probe.gate.conceal(failure)
        findings.failure = failure
    return findings


def _converse(probe: FtpProbe, findings: FtpFindings) -> Dialogue[None]:
    stream = yield from open_stream(probe.host, probe.port, probe.family, probe.source)
    findings.address = stream.channel.address
    if probe.tls == "implicit":
        yield from _secure(probe, stream, findings)
    yield Phase("greeting")
    try:
        if probe.send:
            yield from stream.send(probe.send)
        if probe.delay:
            yield Phase("delay")
            yield Sleep(probe.delay)
            yield Phase("greeting")
        if probe.expect:
            yield from _await_expected(probe, stream, findings)
        else:
            yield from _await_greeting(probe, stream, findings)
    except NotConnected:
        # A reset ends the answer like a close; what was received before it is judged.
        return
    if probe.tls == "explicit" and findings.matched:
        yield from _request_tls(probe, stream, findings)
    if probe.is_deep and findings.matched:
        # Here and not above, because a check of the greeting does not need it.
        from .session import run_session

        yield from run_session(probe, stream, findings)
    if probe.quit:
        try:
            yield from stream.send(probe.quit)
        except (NotConnected, DeadlineExceeded):
            # The answer is in; a peer that does not wait for the goodbye is not sick.
            pass


def _await_greeting(probe: FtpProbe, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """Reads replies up to the first that is not preliminary; 120 announces a 220 (RFC 959 section 5.4)."""
    reader = ReplyReader()
    while True:
        patience = _patience(reader, findings)
        try:
            data = yield from _read(probe, stream, findings, patience)
        except DeadlineExceeded as failure:
            if patience is None:
                if findings.reply is not None and not probe.jail:
                    failure.message += f", but the server said {printable(findings.reply.raw.strip(), 100)}"
                raise
            # What has come is no greeting, however much time is left for another one.
            return
        reader.feed(data or b"")
        while (reply := reader.next() or (None if data else reader.end())) is not None:
            findings.reply = reply
            if reply.code != 120:
                findings.matched = reply.code == 220
                return
        if not data:
            return
        if _is_enough(probe, findings):
            # Within the operator's own limit the beginning of a greeting is all that can be asked for.
            findings.matched = bool(probe.maxbytes) and findings.received.startswith((b"220 ", b"220-"))
            return


def _patience(reader: ReplyReader, findings: FtpFindings) -> float | None:
    """Returns how long to wait for more of the greeting; None for what a client would wait for too, to the deadline."""
    if not findings.received:
        return None
    if reader.begins_last_line:
        return _LINE_PAUSE
    if reader.ends_otherwise:
        return READ_GAP
    is_announced = reader.is_inside_lines or findings.reply is not None
    return None if is_announced else READ_GAP


def _await_expected(probe: FtpProbe, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """Reads until the expected strings occur, in any place."""
    demand = all if probe.match_all else any
    patience = None
    while (yield from _read(probe, stream, findings, patience)):
        patience = READ_GAP
        findings.matched = demand(text in findings.received for text in probe.expect)
        if findings.matched or _is_enough(probe, findings):
            return


def _read(probe: FtpProbe, stream: Stream, findings: FtpFindings, patience: float | None) -> Dialogue[bytes | None]:
    data = yield from stream.receive(_CHUNK, patience)
    findings.received += data or b""
    return data


def _is_enough(probe: FtpProbe, findings: FtpFindings) -> bool:
    return len(findings.received) >= (probe.maxbytes or probe.limit)


def _request_tls(probe: FtpProbe, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """AUTH TLS (RFC 4217 section 4), or AUTH SSL with servers that know only that."""
    from .control import Control

    control = Control(stream, limit=probe.limit, jail=probe.jail, gate=probe.gate)
    yield from control.enter("tls")
    try:
        reply = yield from control.command("AUTH", "TLS")
    except PeerError as failure:
        raise PeerError("AUTH TLS was not answered", expected="234", received=failure.received) from failure
    if reply.kind in (4, 5) and reply.code != 421:
        reply = (yield from _request_ssl(control)) or reply
    if reply.code not in _TLS_GRANTED:
        raise PeerError(f"AUTH TLS refused: {control.words(reply)}", expected="234", received=reply.raw)
    if control.has_more:
        # What is sent in clear behind the 234 could be an attacker's, to be read as if it came through TLS.
        raise PeerError("Plain text after the reply 234 to AUTH TLS", expected="TLS", received=reply.raw)
    yield from _secure(probe, stream, findings)
    if not probe.is_deep:
        yield from _hear_through_tls(probe, stream)


def _request_ssl(control: Control) -> Dialogue[Reply | None]:
    """Asks for TLS by its old name; None unless the server grants it."""
    try:
        yield from control.send("AUTH", "SSL")
        reply = yield from control.poll(READ_GAP)
    except ProbeError:
        # That the server refused AUTH TLS is the news.
        return None
    return reply if reply is not None and reply.code in _TLS_GRANTED else None


def _hear_through_tls(probe: FtpProbe, stream: Stream) -> Dialogue[None]:
    """Lets the server say something: with TLS 1.3 it refuses our certificate, or our having none, after the handshake.

    The reply itself is not judged: servers may refuse NOOP before the login.
    """
    from .control import Control

    control = Control(stream, limit=probe.limit, jail=probe.jail)
    try:
        yield from control.send("NOOP")
    except NotConnected:
        # The reason is still to be read.
        pass
    try:
        yield from control.reply()
    except PeerError as failure:
        raise PeerError(f"TLS: behind the handshake {failure.message}", expected="a reply", received=b"") from failure


def _secure(probe: FtpProbe, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    # Here and not above, because ssl costs as much as the rest of a check; FtpProbe.dialogue() has loaded it by now.
    from ..dialogue.tls import TlsSettings, start_tls

    name = probe.sni or (probe.host if probe.verify and not probe.host.startswith("/") else "")
    settings = TlsSettings(name, verify=probe.verify, ca_file=probe.ca_file, minimum=probe.tls_min, pins=probe.tls_pins)
    layer = yield from start_tls(stream, settings)
    if probe.certificate_days is not None:
        findings.tls = layer.facts(probe.gate)
