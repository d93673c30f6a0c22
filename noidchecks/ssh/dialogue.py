"""The SSH conversation of a check: connect, exchange identification strings."""

from __future__ import annotations

from .. import __version__
from ..dialogue import Phase, open_stream
from ..errors import NotConnected, PeerError, ProbeError
from ..status.text import printable
from .wire import GreetingReader, Identification, LimitExceeded, Malformed, is_foreign, is_identification, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..dialogue import Dialogue, Stream
    from .probe import SshProbe

OUR_IDENTIFICATION = f"SSH-2.0-check_ssh_{__version__}\r\n".encode()
# sshd logs one line for a client that answers its identification string and goes; so we answer. A server, or a
# multiplexer before it, that waits for the client gets ours after this pause.
HEAD_START = 0.5
# So long a peer that began like another protocol may still come up with an identification string.
READ_GAP = 2.0
_CHUNK = 4096
# How much of an answer that is no SSH is kept, and how much of a broken identification string is shown.
_HEAD = 255
_SHOWN = 100

INVALID = "Invalid protocol version control string"
MISSING = "No version control string received"


class SshFindings:
    """What the dialogue saw: the lines before the identification string and the string, the refusal, the failure."""

    __slots__ = ("lines", "identification", "refusal", "address", "failure")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.identification: Identification | None = None
        self.refusal = ""
        self.address: Address | None = None
        self.failure: ProbeError | None = None


def converse(probe: SshProbe) -> Dialogue[SshFindings]:
    """Holds the conversation that the probe's settings describe; a failure is part of the findings."""
    findings = SshFindings()
    try:
        stream = yield from open_stream(probe.host, probe.port, probe.family, probe.source)
        findings.address = stream.channel.address
        yield Phase("greeting")
        yield from _greet(stream, findings)
    except ProbeError as failure:
        findings.failure = failure
    return findings


def _greet(stream: Stream, findings: SshFindings) -> Dialogue[None]:
    reader = GreetingReader()
    head = b""
    greeted = False
    while True:
        foreign = is_foreign(head)
        data = yield from stream.receive(_CHUNK, READ_GAP if foreign else None if greeted else HEAD_START)
        if data is None and not foreign:
            yield from stream.send(OUR_IDENTIFICATION)
            greeted = True
            continue
        head += (data or b"")[: _HEAD - len(head)]
        reader.feed(data or b"")
        if _take_lines(reader, findings, head, ended=data == b""):
            break
        if not data:
            raise _broken(MISSING, head)
    if findings.identification is not None and not greeted:
        try:
            yield from stream.send(OUR_IDENTIFICATION)
        except NotConnected:
            # Its identification string is in; a peer that does not wait for ours is not sick.
            pass


def _take_lines(reader: GreetingReader, findings: SshFindings, head: bytes, *, ended: bool) -> bool:
    """Takes the lines that are there and tells whether the peer has said what it is; PeerError."""
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
        text = f"{INVALID} {printable(reason.line, _SHOWN)}"
        if str(reason).startswith("longer"):
            text += f" ({reason})"
        raise _broken(text, reason.line) from None
    except LimitExceeded as reason:
        raise _broken(f"{MISSING} in {reason}", head) from None
    return False


def _broken(message: str, received: bytes) -> PeerError:
    error = PeerError(message, expected="SSH-protoversion-softwareversion", received=received)
    error.phase = "greeting"
    return error
