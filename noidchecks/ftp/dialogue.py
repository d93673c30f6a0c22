"""The FTP dialogue of a check: connect, read the greeting, start TLS if requested, quit."""

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
# The seconds without data after which a last line counts as complete though it lacks its line end.
_LINE_PAUSE = 0.25
# The size of the C plugin's buffer; with a limit (-m), reading may exceed the limit by that much.
_CHUNK = 1024
# The bytes of a reply code; with fewer, the server has not answered yet.
_CODE = 3
_GREETING = Phase("greeting")
# The codes of RFC 4217 and, for servers that follow its drafts, of RFC 2228.
_TLS_GRANTED = (234, 334)


def converse(settings: FtpSettings) -> Dialogue[FtpFindings]:
    """Runs the dialogue that the settings describe; a failure becomes part of the findings."""
    findings = FtpFindings()
    try:
        if settings.login is not None or settings.jail:
            from ..dialogue.operations import Redact

            for secret in (*settings.gate.secrets, *([None] if settings.jail else [])):
                yield Redact(secret)
        yield from _converse(settings, findings)
    except ProbeError as failure:
        # Drivers set the phase of their errors; errors that the dialogue itself raises are about starting TLS.
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
        # A reset ends the answer as a close does; the data received before is judged.
        return
    if settings.tls == "explicit" and findings.matched:
        yield from _request_tls(settings, stream, findings)
    if settings.is_deep and findings.matched:
        # Imported here because a check of the greeting does not need it.
        from .session import run_session

        yield from run_session(settings, stream, findings)
    if settings.quit:
        try:
            yield from stream.send(settings.quit)
        except (NotConnected, DeadlineExceeded):
            # The answer is complete; a peer that closes before QUIT is healthy.
            pass


def _await_greeting(settings: FtpSettings, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """Reads replies up to the first one other than 120, which announces a later 220 (RFC 959 section 5.4)."""
    reader = ReplyReader()
    while True:
        patience = _patience(reader, findings)
        try:
            data = yield from _read(settings, stream, findings, patience)
        except DeadlineExceeded as failure:
            if patience is not None and len(findings.received) >= _CODE:
                # The answer lacks only its line end, or it is no greeting and further data would not make it one.
                if (reply := reader.end()) is not None:
                    findings.reply, findings.matched = reply, reply.code == 220
                return
            if findings.reply is not None and not settings.jail:
                failure.message += f", but the server said {printable(findings.reply.raw.strip(), 100)}"
            raise
        if data is None and len(findings.received) >= _CODE:
            # The server has answered, so this wait is not its response time; a wait before the answer is.
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
            # With the operator's limit (-m), only the beginning of a greeting can be required.
            begins = findings.received[:3] == b"220" and findings.received[3:4] in (b"", b" ", b"-")
            findings.matched = begins and bool(settings.maxbytes)
            return


def _patience(reader: ReplyReader, findings: FtpFindings) -> float | None:
    """Returns the seconds to wait for more of the greeting; None, until the deadline, where a client would wait too."""
    if not findings.received:
        return None
    if reader.begins_last_line:
        return _LINE_PAUSE
    if reader.ends_otherwise:
        return READ_GAP
    is_announced = reader.is_inside_lines or findings.reply is not None
    return None if is_announced else READ_GAP


def _await_expected(settings: FtpSettings, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    """Reads until the expected strings occur anywhere and, if AUTH follows, until the greeting is complete."""
    demand = all if settings.match_all else any
    reader = ReplyReader()
    is_whole = settings.tls != "explicit"
    patience = None
    while data := (yield from _read(settings, stream, findings, patience)):
        patience = READ_GAP
        findings.matched = demand(text in findings.received for text in settings.expect)
        if not is_whole:
            # The rest of the greeting would be taken for the reply to AUTH (RFC 959 section 4.2).
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
    """Sends AUTH TLS (RFC 4217 section 4), or AUTH SSL to servers that support only that, and starts TLS."""
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
        # Plain text after the 234 may have been injected by an attacker, to be read as if it came through TLS.
        raise PeerError("Plain text after the reply 234 to AUTH TLS", expected="TLS", received=reply.raw)
    yield from _secure(settings, stream, findings)
    if not settings.is_deep:
        yield from _hear_through_tls(control)
    findings.waited += control.waited


def _request_ssl(control: Control) -> Dialogue[Reply | None]:
    """Sends AUTH SSL, the old name; returns the reply if the server grants it, else None."""
    try:
        yield from control.send("AUTH", "SSL")
        reply = yield from control.poll(READ_GAP)
    except ProbeError:
        # The refusal of AUTH TLS is reported instead.
        return None
    return reply if reply is not None and reply.code in _TLS_GRANTED else None


def _hear_through_tls(control: Control) -> Dialogue[None]:
    """Sends NOOP and reads the reply: in TLS 1.3 the server refuses a bad or missing client certificate only then.

    Only a reply 421, which ends the session, is a failure: servers may refuse NOOP before the login.
    """
    yield from control.send("NOOP")
    try:
        reply = yield from control.reply()
    except PeerError as failure:
        raise PeerError(f"TLS: behind the handshake {failure.message}", expected="a reply", received=b"") from failure
    if reply.code == 421:
        raise control.unexpected("TLS: behind the handshake the server turns us away", "200", reply)


def _secure(settings: FtpSettings, stream: Stream, findings: FtpFindings) -> Dialogue[None]:
    # Imported here because ssl takes as long as the rest of a check; FtpProbe.dialogue() has already loaded it.
    from ..dialogue.tls import TlsSettings, start_tls

    name = settings.sni or (settings.host if settings.verify and not settings.host.startswith("/") else "")
    tls = TlsSettings(
        name, verify=settings.verify, ca_file=settings.ca_file, minimum=settings.tls_min, pins=settings.tls_pins
    )
    layer = yield from start_tls(stream, tls)
    if settings.reads_certificate:
        findings.tls = layer.facts(settings.gate)
