"""What is fuzzed behind a login: answers of an SFTP server, frames of a worker process, messages before paramiko."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from noidchecks import File, Listing, Login, ProbeError, Range, SshProbe
from noidchecks.dialogue.operations import Receive
from noidchecks.errors import DeadlineExceeded
from noidchecks.ssh import frames, transfer
from noidchecks.ssh.delegation import Delegation
from noidchecks.ssh.paramiko_.bounds import Bounds, Excess
from noidchecks.ssh.sftp_session import SftpSession
from tests.fuzz.stage import SECRET, Finding

_WORKER: Any = SimpleNamespace(is_internal=True)
_GET = File("f", size=Range(1, 9), sha256="0" * 64, contains=b"x", max_age=3600, limit=100_000)
_LOGIN = Login("monitor", SECRET)
PROBES = (
    SshProbe("h", login=_LOGIN, listing=Listing("in", max_files=2)),
    SshProbe("h", login=_LOGIN, get=_GET),
    SshProbe("h", login=_LOGIN, timestamp="f"),
    SshProbe("h", login=_LOGIN, put="in"),
)
# An input has 4096 bytes, of which each answer takes nine at least; each asks for a handful of things.
_MOST_OPERATIONS = 20_000
_LONGEST = 1000


def answers(raw: bytes) -> None:
    """Plays a session; the first byte tells which one, and the size of the pieces in which the others come."""
    if not raw:
        return
    probe, step = PROBES[raw[0] & 3], (1 << (raw[0] >> 2 & 15)) or 1
    pieces = [frames.pack(frames.DATA, raw[place : place + step]) for place in range(1, len(raw), step)]
    ending = DeadlineExceeded(10) if raw[0] & 64 else frames.pack_values(frames.END, "")
    found = transfer.SftpFindings()
    session = SftpSession(Delegation(_WORKER), probe.gate.words)
    try:
        _play(_session(probe, session, found), [*pieces, ending])
    except ProbeError as failure:
        text = failure.message
        if not text.isprintable() or "|" in text or SECRET in text or len(text) > _LONGEST:
            raise Finding(repr(text)) from failure


def _session(probe: SshProbe, session: SftpSession, found: transfer.SftpFindings) -> Any:
    yield from session.begin()
    yield from transfer.fetch(probe, session, found)
    if probe.put is not None:
        yield from transfer.put(session, probe.put, found)


def _play(dialogue: Any, incoming: list[Any]) -> None:
    operation = dialogue.send(None)
    try:
        for _ in range(_MOST_OPERATIONS):
            if not isinstance(operation, Receive):
                operation = dialogue.send(None)
                continue
            given = incoming.pop(0) if len(incoming) > 1 else incoming[0]
            operation = dialogue.throw(given) if isinstance(given, ProbeError) else dialogue.send(given)
    except StopIteration:
        return
    raise Finding(f"the session goes on and on: {operation!r}")


def worker_frames(raw: bytes) -> None:
    """Reads frames, whole and in pieces, which must come to the same."""
    found = []
    for step in (len(raw) or 1, 3):
        reader, seen = frames.FrameReader(), []
        try:
            for place in range(0, len(raw), step):
                reader.feed(raw[place : place + step])
                while (frame := reader.next()) is not None:
                    seen.append(frame)
        except frames.Broken:
            seen.append((b"broken", b""))
        found.append(seen)
    if found[0] != found[1]:
        raise Finding(f"in pieces {found[1]!r}, not {found[0]!r}")


def messages(raw: bytes) -> None:
    """Asks the limits of a message, whose type is the first byte."""
    if raw:
        try:
            Bounds().check(raw[0], raw[1:])
        except Excess as reason:
            if not str(reason).isprintable():
                raise Finding(str(reason)) from reason
