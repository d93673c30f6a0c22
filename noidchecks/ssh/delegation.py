"""The check's side of a session whose cryptography a worker process does: requests to the worker, and its answers."""

from __future__ import annotations

import os

from ..dialogue.operations import Close, Delegate, Receive, Send, Sleep
from ..errors import DeadlineExceeded, LocalError, NotConnected, PeerError, ProbeError
from . import frames
from .host_key import HostKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..dialogue.operations import Channel, Dialogue
    from .settings import SshSettings

MODULE = "noidchecks.ssh.paramiko_.worker"
# What a worker takes over for each session: its own process is older than the check.
_ENVIRONMENT = ("HOME", "SSH_AUTH_SOCK")
# Of the settings, as plain values, whatever is derived from such.
_SETTINGS = {"host": str, "port": int, "timeout": float, "family": int, "source": str, "known_hosts": str}
_CHUNK = 65536
_BUSY_PAUSE = 0.02
# A check that waited this share of its time for a worker does not blame the server for what it did not do in time.
_LONG_WAIT = 0.25


class Delegation:
    """A connection whose end is in a worker process; every operation raises ProbeError."""

    __slots__ = ("_worker", "_reader", "_over")

    def __init__(self, worker: Channel) -> None:
        self._worker = worker
        # The failure that ended it, raised again by each later operation.
        self._over: ProbeError | None = None
        self._reader = frames.FrameReader()

    @property
    def channel(self) -> Channel:
        """The channel to the worker."""
        return self._worker

    def wait_of(self, seconds: float) -> str:
        """Returns the clause about a wait for the worker that took too much of the seconds, "" for a short one."""
        waited: float = getattr(self._worker, "waited", 0.0)
        return f"no worker process was free for {waited:.1f} s of them" if waited > seconds * _LONG_WAIT else ""

    def host_key(self) -> Dialogue[HostKey]:
        """Returns the key that the server proves to have."""
        return HostKey(*frames.values((yield from self._expect(frames.KEY))))

    def log_in(self) -> Dialogue[str]:
        """Logs in and returns the method that the server took."""
        yield from self._send(frames.pack(frames.LOGIN, b""))
        (method,) = frames.values((yield from self._expect(frames.METHOD)))
        return str(method)

    def open_sftp(self) -> Dialogue[None]:
        """Opens a channel on which the server speaks SFTP."""
        yield from self._send(frames.pack(frames.OPEN, b""))
        yield from self._expect(frames.OPENED)

    def send(self, data: bytes, shown: bytes) -> Dialogue[None]:
        """Sends on the channel; what is shown stands in a transcript."""
        yield from self._send(frames.pack(frames.DATA, data), shown)

    def receive(self, patience: float | None = None) -> Dialogue[bytes | None]:
        """Receives from the channel; None after patience seconds; PeerError at its end, with the server's words."""
        frame = yield from self._next(patience)
        if frame is None:
            return None
        if frame[0] == frames.END:
            (words,) = frames.values(frame[1])
            self._over = Ended(str(words))
            raise self._over
        return self._must_be(frames.DATA, frame)

    def close(self) -> Dialogue[None]:
        """Ends the session in good order; without this, the worker is killed."""
        yield Close(self._worker)

    def _send(self, frame: bytes, shown: bytes = b"") -> Dialogue[None]:
        if self._over is not None:
            raise self._over
        try:
            yield Send(self._worker, frame, shown)
        except NotConnected:
            # Its last words tell why.
            while True:
                yield from self._next(None)

    def _expect(self, kind: bytes) -> Dialogue[bytes]:
        frame = yield from self._next(None)
        assert frame is not None, "patience has no end"  # noqa: S101
        return self._must_be(kind, frame)

    def _must_be(self, kind: bytes, frame: tuple[bytes, bytes]) -> bytes:
        if frame[0] != kind:
            raise LocalError(f"a worker process says {frame[0]!r} in place of {kind!r}")
        return frame[1]

    def _next(self, patience: float | None) -> Dialogue[tuple[bytes, bytes] | None]:
        if self._over is not None:
            raise self._over
        try:
            while (frame := self._reader.next()) is None:
                try:
                    data: bytes | None = yield Receive(self._worker, _CHUNK, patience)
                except NotConnected:
                    data = b""
                if data is None:
                    return None
                if not data:
                    self._over = LocalError("the worker process ended")
                    raise self._over
                self._reader.feed(data)
        except frames.Broken as reason:
            raise LocalError(f"a worker process says nonsense: {reason}") from None
        if frame[0] == frames.FAILED:
            self._over = _failure(*frames.values(frame[1]))
            raise self._over
        return frame


class Ended(PeerError):
    """The server ended the channel or the connection; words is what it said to that."""

    def __init__(self, words: str) -> None:
        reason = f"the server ends the connection: {words}" if words else "the connection ends"
        super().__init__(reason, expected="an answer", received=words.encode())
        self.words = words


def delegate(channel: Channel, settings: SshSettings, ours: bytes, seen: bytes) -> Dialogue[Delegation]:
    """Hands a connection on which identification strings were exchanged to a worker; seen is what was received."""
    plain = {name: kind(getattr(settings, name)) for name, kind in _SETTINGS.items()}
    keys = tuple((str(identity.path), str(identity.passphrase)) for identity in settings.identities)
    # From the beginning, though used only when the host key is the right one: the server's words are masked by it.
    login = (
        None
        if settings.login is None
        else (str(settings.login.user), str(settings.login.password), keys, bool(settings.agent))
    )
    environment = {name: os.environ.get(name) for name in _ENVIRONMENT}
    identification = ours.decode("ascii").rstrip("\r\n")
    data = frames.pack_values(frames.SETTINGS, plain, login, identification, seen, environment, _folder())
    try:
        while True:
            worker: Channel | None = yield Delegate(channel, MODULE, data)
            if worker is not None:
                return Delegation(worker)
            yield Sleep(_BUSY_PAUSE)
    except DeadlineExceeded as late:
        error = LocalError("no worker process was free in time")
        error.phase = late.phase
        raise error from late


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        # It was deleted. Absolute paths are found all the same.
        return ""


def _failure(kind: str, message: str, phase: str, expected: str, received: bytes | str) -> ProbeError:
    error: ProbeError
    error = LocalError(message) if kind == "local" else PeerError(message, expected=expected, received=received)
    error.phase = phase
    return error
