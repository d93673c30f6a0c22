"""The SSH dialogue of a check: connect, exchange identification strings, then the steps that the settings request."""

from __future__ import annotations

from .. import __version__
from ..dialogue.operations import Close, Phase, Prepare, Redact, ReserveTime, Sleep
from ..dialogue.stream import open_stream
from ..errors import DeadlineExceeded, LocalError, NotConnected, PeerError, ProbeError
from .findings import SshFindings
from .wire import (
    INVALID,
    MISSING,
    GreetingReader,
    Identification,
    LimitExceeded,
    Malformed,
    is_foreign,
    is_identification,
    refusal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Dialogue
    from ..dialogue.stream import Stream
    from ..status.gate import Gate
    from .delegation import Delegation
    from .kexinit import Kexinit
    from .settings import SshSettings
    from .sftp_session import SftpSession
    from .transfer import SftpFindings

OUR_IDENTIFICATION = f"SSH-2.0-check_ssh_{__version__}\r\n".encode()
# sshd logs only one line for a client that answers its identification string and closes the connection, so the check
# answers. A server, or a multiplexer in front of it, may wait for the client: after these seconds it gets the check's
# identification string or KEXINIT.
HEAD_START = 0.5
# Seconds between two polls of worker processes that are not ready yet.
PREPARE_PAUSE = 0.02
# The seconds that a peer whose first bytes look like another protocol has to send an identification string.
READ_GAP = 2.0
_CHUNK = 4096
# The bytes that are kept of an answer that is not SSH, and the characters shown of an invalid identification string.
_HEAD = 255
_SHOWN = 100
# The most IGNORE, DEBUG and UNIMPLEMENTED messages (RFC 4253 section 11) before the KEXINIT.
_IDLE_MESSAGES = 16
# The most bytes received after the identification string: a worker gets them in one message, whose size is limited.
_MOST_SEEN = 128 << 10


def converse(settings: SshSettings) -> Dialogue[SshFindings]:
    """Runs the dialogue that the settings describe; a failure becomes part of the findings."""
    findings = SshFindings()
    gate = settings.gate
    try:
        if settings.exchanges_keys:
            from .delegation import MODULE

            while (yield Prepare(MODULE)):
                yield Sleep(PREPARE_PAUSE)
        for secret in gate.secrets:
            yield Redact(secret)
        stream, rest = yield from _open(settings, findings)
        if settings.reads_kexinit and findings.identification is not None:
            yield Phase("kexinit")
            findings.kexinit, is_used_up = yield from _read_kexinit(stream, findings.identification, rest, gate)
            if is_used_up and settings.exchanges_keys:
                # The check has sent its KEXINIT. paramiko would send its own one, and no server accepts a second one.
                yield Close(stream.channel)
                stream, rest = yield from _open(settings, findings)
        if settings.exchanges_keys and findings.identification is not None:
            yield from _go_on(stream, settings, findings, rest)
    except ProbeError as failure:
        findings.failure = failure
    return findings


def _open(settings: SshSettings, findings: SshFindings) -> Dialogue[tuple[Stream, bytearray]]:
    """Connects and exchanges identification strings; also returns the bytes received after the server's."""
    stream = yield from open_stream(settings.host, settings.port, settings.family, settings.source)
    findings.address = stream.channel.address
    yield Phase("greeting")
    return stream, bytearray((yield from _greet(stream, findings, settings.gate)))


def _greet(stream: Stream, findings: SshFindings, gate: Gate) -> Dialogue[bytes]:
    """Exchanges identification strings and returns the bytes received after the server's."""
    reader = GreetingReader()
    # On a second connection, only its own lines count.
    findings.lines, findings.identification = [], None
    head = b""
    greeted = False
    while True:
        foreign = is_foreign(head)
        try:
            data = yield from stream.receive(_CHUNK, READ_GAP if foreign else None if greeted else HEAD_START)
        except NotConnected:
            # When a server has already closed, the check's identification string makes its kernel reset the connection.
            if not greeted or not _take_lines(reader, findings, head, gate, ended=True):
                raise
            break
        if data is None and not foreign:
            yield from stream.send(OUR_IDENTIFICATION)
            greeted = True
            continue
        head += (data or b"")[: _HEAD - len(head)]
        reader.feed(data or b"")
        if _take_lines(reader, findings, head, gate, ended=data == b""):
            break
        if not data:
            raise _broken(MISSING, head)
    if findings.identification is not None and not greeted:
        yield from _send_anyway(stream, OUR_IDENTIFICATION)
    return reader.rest()


def _send_anyway(stream: Stream, data: bytes) -> Dialogue[None]:
    try:
        yield from stream.send(data)
    except NotConnected:
        # A peer that closes before is healthy; the bytes that it has sent can still be read.
        pass


def _read_kexinit(
    stream: Stream, identification: Identification, seen: bytearray, gate: Gate
) -> Dialogue[tuple[Kexinit, bool]]:
    """Returns the server's KEXINIT, and whether the check has sent its own; appends received bytes to seen. PeerError.

    Both sides may send their KEXINIT at once (RFC 4253 section 7.1). Most servers do within the pause; the check sends
    its own one only to those that do not. It sends no DISCONNECT: sshd logs one line for a client that closes, two for
    a client that sends DISCONNECT.
    """
    from . import kexinit

    if identification.protocol not in (b"2.0", b"1.99"):
        text = f"Protocol {gate.words(identification.protocol)} has no KEXINIT"
        raise _broken(text, identification.line, "kexinit", "protocol 2.0 or 1.99")
    reader = kexinit.PacketReader(seen)
    idle = 0
    has_sent = False
    try:
        while True:
            payload = reader.next()
            if payload is None:
                data = yield from stream.receive(patience=None if has_sent or len(reader) else HEAD_START)
                if data is None:
                    has_sent = True
                    yield from _send_anyway(stream, kexinit.client_offer())
                    continue
                if not data:
                    raise kexinit.Malformed(f"the connection ends {'inside it' if len(reader) else 'before it'}")
                seen += data
                if len(seen) > _MOST_SEEN:
                    raise kexinit.Malformed(f"it does not end within {_MOST_SEEN} bytes")
                reader.feed(data)
            elif payload[0] == kexinit.DISCONNECT:
                reason = kexinit.disconnect_reason(payload)
                raise _broken(f"Server disconnects: {gate.words(reason, _SHOWN)}", reason, "kexinit", "KEXINIT")
            elif payload[0] in (kexinit.IGNORE, kexinit.UNIMPLEMENTED, kexinit.DEBUG) and idle < _IDLE_MESSAGES:
                idle += 1
            else:
                return kexinit.Kexinit.parse(payload), has_sent
    except kexinit.Malformed as reason:
        raise _broken(f"Invalid KEXINIT: {reason}", bytes(seen[:_HEAD]), "kexinit", "KEXINIT") from None


def _go_on(stream: Stream, settings: SshSettings, findings: SshFindings, seen: bytearray) -> Dialogue[None]:
    """Continues the connection in a worker process: key exchange, login and transfers; raises ProbeError."""
    from .delegation import delegate

    assert findings.identification is not None, "we are greeted"  # noqa: S101
    yield Phase("kex")
    if not seen:
        # Nearly all servers send their KEXINIT first; the wait for it keeps a silent server from occupying a worker.
        try:
            seen += (yield from stream.receive(_CHUNK, HEAD_START)) or b""
        except NotConnected:
            # The key exchange reports the end of the connection.
            pass
    received = findings.identification.line + b"\r\n" + seen
    delegation = yield from delegate(stream.channel, settings, OUR_IDENTIFICATION, received)
    try:
        key = findings.host_key = yield from delegation.host_key()
        # Before a password is sent, the host key must have been verified.
        is_meant = key.is_one_of(settings.fingerprints) if settings.pins_host_key else not key.is_revoked
        if settings.login is not None and is_meant:
            yield from _log_in(delegation, settings, findings)
    except DeadlineExceeded as late:
        if wait := delegation.wait_of(settings.timeout):
            error = LocalError(f"{late.message}, {wait}")
            error.phase = late.phase
            raise error from late
        raise
    yield from delegation.close()


def _log_in(delegation: Delegation, settings: SshSettings, findings: SshFindings) -> Dialogue[None]:
    """Logs in and performs the requested transfers; raises ProbeError."""
    from . import transfer
    from .sftp_session import SftpSession

    assert settings.login is not None, "a login was asked for"  # noqa: S101
    deep = findings.deep = transfer.SftpFindings()
    deep.task = f"login as {settings.login.user}"
    yield Phase("login")
    deep.method = yield from delegation.log_in()
    deep.task = ""
    if not settings.opens_sftp:
        return
    yield Phase("sftp")
    yield from delegation.open_sftp()
    session = SftpSession(delegation, settings.gate.words)
    yield from session.begin()
    yield Phase("transfer")
    yield from transfer.fetch(settings, session, deep)
    if settings.put is not None:
        yield from _put(settings, settings.put, session, deep)


def _put(settings: SshSettings, folder: str, session: SftpSession, deep: SftpFindings) -> Dialogue[None]:
    """Stores and deletes a canary; reserves the last part of the timeout for its deletion; raises ProbeError."""
    from ..files.canary import reserve
    from . import transfer

    yield ReserveTime(reserve(settings.timeout))
    try:
        yield from transfer.put(session, folder, deep)
    except DeadlineExceeded:
        if deep.leftover:
            yield from transfer.remove(session, deep)
        raise


def _take_lines(reader: GreetingReader, findings: SshFindings, head: bytes, gate: Gate, *, ended: bool) -> bool:
    """Parses the complete lines; returns whether an identification string or a refusal was found; raises PeerError."""
    try:
        while (line := reader.next()) is not None or (ended and (line := reader.end()) is not None):
            if is_identification(line):
                findings.identification = Identification.parse(line)
                return True
            findings.lines.append(line)
            findings.refusal = refusal(line)
            if findings.refusal:
                return True
    except Malformed as reason:
        text = f"{INVALID} {gate.words(reason.line, _SHOWN)}"
        if str(reason).startswith("longer"):
            text += f" ({reason})"
        raise _broken(text, reason.line) from None
    except LimitExceeded as reason:
        raise _broken(f"{MISSING} in {reason}", head) from None
    return False


def _broken(
    message: str, received: bytes, phase: str = "greeting", expected: str = "SSH-protoversion-softwareversion"
) -> PeerError:
    error = PeerError(message, expected=expected, received=received)
    error.phase = phase
    return error
