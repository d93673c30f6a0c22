"""The FTP conversation of a check: connect, read the greeting, secure the connection if asked, quit."""

from __future__ import annotations

from ..dialogue.stream import open_stream
from ..dialogue.stream_operations import Phase
from ..errors import DeadlineExceeded, NotConnected, PeerError, ProbeError
from ..status.text import printable
from .findings import FtpFindings
from .wire import ReplyReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Dialogue
    from ..dialogue.stream import Stream
    from .control import Control
    from .settings import FtpSettings
    from .wire import Reply

# Seconds that the C plugin waits for more after an answer that does not match yet.
READ_GAP = 2.0
# A last line without its line end is complete as soon as the peer pauses.
_LINE_PAUSE = 0.25
# The C plugin's buffer; with a limit (-m) it decides how far the reading overshoots.
_CHUNK = 1024
# The bytes of a reply code: with fewer, the server has not said anything yet.
_CODE = 3
_GREETING = Phase("greeting")
# RFC 4217, and what servers of the drafts before it say (RFC 2228).
_TLS_GRANTED = (234, 334)


def converse(settings: FtpSettings) -> Dialogue[FtpFindings]:
    """Holds the conversation that the probe's settings describe; a failure is part of the findings."""
    findings = FtpFindings()
    try:
        if settings.login is not None or settings.jail:
            from ..dialogue.operations import Redact

            for secret in (*settings.gate.secrets, *([None] if settings.jail else [])):
                yield Redact(secret)
        yield from _converse(settings, findings)
    except ProbeError as failure:
        # Drivers name the phase of what they raise; what the dialogue itself raises is about securing the connection.
        failure.phase = failure.phase or "tls"
        settings.gate.conceal(failure)
        findings.failure = failure
    return findings


def _converse(settings: FtpSettings, findings: FtpFindings) -> Dialogue[None]:
    stream = yield from open_stream(settings.host, settings.port, settings.family, settings.source)
    findings.address = stream.channel.address
    if settings.tls == "implicit":
        yield from _secure(settings, stream, findings)
    yield _GREETING
    try:
        if settings.send:
            yield from stream.send(settings.send)
        if settings.delay:
            from ..dialogue.operations import Sleep

            yield Phase("delay")
            yield Sleep(settings.delay)
            yield _GREETING
        if settings.expect:
            yield from _await_expected(settings, stream, findings)
        else:
            yield from _await_greeting(settings, stream, findings)
    except NotConnected:
        # A reset ends the answer like a close; what was received before it is judged.
        return
    if settings.tls == "explicit" and findings.matched:
        yield from _request_tls(settings, stream, findings)
    if settings.is_deep and findings.matched:
        # Here and not above, because a check of the greeting does not need it.
        from .session import run_session

        yield from run_session(settings, stream, findings)
    if settings.quit:
        try:
            yield from stream.send(settings.quit)
        except (NotConnected, DeadlineExceeded):
            # The answer is in; a peer that does not wait for the goodbye is not sick.
            pass


def _await_greeting(settings: FtpSettings, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """Reads replies up to the first that is not preliminary; 120 announces a 220 (RFC 959 section 5.4)."""
    reader = ReplyReader()
    while True:
        patience = _patience(reader, findings)
        try:
            data = yield from _read(settings, stream, findings, patience)
        except DeadlineExceeded as failure:
            if patience is not None and len(findings.received) >= _CODE:
                # It lacks no more than its line end, or is no greeting: waiting would not make it one.
                if (reply := reader.end()) is not None:
                    findings.reply, findings.matched = reply, reply.code == 220
                return
            if findings.reply is not None and not settings.jail:
                failure.message += f", but the server said {printable(findings.reply.raw.strip(), 100)}"
            raise
        if data is None and len(findings.received) >= _CODE:
            # The server has said what it is; before that, it is the one that takes its time.
            findings.waited = patience or 0.0
        reader.feed(data or b"")
        while (reply := reader.next() or (None if data else reader.end())) is not None:
            findings.reply = reply
            if reply.code != 120:
                findings.matched = reply.code == 220
                return
        if not data:
            return
        if _is_enough(settings, findings):
            # Within the operator's own limit the beginning of a greeting is all that can be asked for.
            begins = findings.received[:3] == b"220" and findings.received[3:4] in (b"", b" ", b"-")
            findings.matched = begins and bool(settings.maxbytes)
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


def _await_expected(settings: FtpSettings, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """Reads until the expected strings occur, in any place, and where a command follows to the greeting's end."""
    demand = all if settings.match_all else any
    reader = ReplyReader()
    is_whole = settings.tls != "explicit"
    patience = None
    while data := (yield from _read(settings, stream, findings, patience)):
        patience = READ_GAP
        findings.matched = demand(text in findings.received for text in settings.expect)
        if not is_whole:
            # What is left of the greeting would be taken for the reply to AUTH (RFC 959 section 4.2).
            reader.feed(data)
            while (reply := reader.next()) is not None:
                is_whole = reply.kind != 1
            if findings.matched:
                patience = _patience(reader, findings)
        if (findings.matched and is_whole) or _is_enough(settings, findings):
            return


def _read(
    settings: FtpSettings, stream: Stream, findings: FtpFindings, patience: float | None
) -> Dialogue[bytes | None]:
    data = yield from stream.receive(_CHUNK, patience)
    findings.received += data or b""
    return data


def _is_enough(settings: FtpSettings, findings: FtpFindings) -> bool:
    return len(findings.received) >= (settings.maxbytes or settings.limit)


def _request_tls(settings: FtpSettings, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """AUTH TLS (RFC 4217 section 4), or AUTH SSL with servers that know only that."""
    from .control import Control

    control = Control(stream, limit=settings.limit, jail=settings.jail, gate=settings.gate)
    yield from control.enter("tls")
    try:
        reply = yield from control.first_command("AUTH", "TLS")
    except PeerError as failure:
        raise PeerError("AUTH TLS was not answered", expected="234", received=failure.received) from failure
    if reply.kind in (4, 5) and reply.code != 421:
        reply = (yield from _request_ssl(control)) or reply
    if reply.code not in _TLS_GRANTED:
        raise PeerError(f"AUTH TLS refused: {control.words(reply)}", expected="234", received=reply.raw)
    if control.has_more:
        # What is sent in clear behind the 234 could be an attacker's, to be read as if it came through TLS.
        raise PeerError("Plain text after the reply 234 to AUTH TLS", expected="TLS", received=reply.raw)
    yield from _secure(settings, stream, findings)
    if not settings.is_deep:
        yield from _hear_through_tls(control)
    findings.waited += control.waited


def _request_ssl(control: Control) -> Dialogue[Reply | None]:
    """Asks for TLS by its old name; None unless the server grants it."""
    try:
        yield from control.send("AUTH", "SSL")
        reply = yield from control.poll(READ_GAP)
    except ProbeError:
        # That the server refused AUTH TLS is the news.
        return None
    return reply if reply is not None and reply.code in _TLS_GRANTED else None


def _hear_through_tls(control: Control) -> Dialogue[None]:
    """Lets the server say something: with TLS 1.3 it refuses our certificate, or our having none, after the handshake.

    Of the replies only 421 is judged, which ends the session: servers may refuse NOOP before the login.
    """
    yield from control.send("NOOP")
    try:
        reply = yield from control.reply()
    except PeerError as failure:
        raise PeerError(f"TLS: behind the handshake {failure.message}", expected="a reply", received=b"") from failure
    if reply.code == 421:
        raise control.unexpected("TLS: behind the handshake the server turns us away", "200", reply)


def _secure(settings: FtpSettings, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    # Here and not above, because ssl costs as much as the rest of a check; FtpProbe.dialogue() has loaded it by now.
    from ..dialogue.tls import TlsSettings, start_tls

    name = settings.sni or (settings.host if settings.verify and not settings.host.startswith("/") else "")
    tls = TlsSettings(
        name, verify=settings.verify, ca_file=settings.ca_file, minimum=settings.tls_min, pins=settings.tls_pins
    )
    layer = yield from start_tls(stream, tls)
    if settings.reads_certificate:
        findings.tls = layer.facts(settings.gate)
