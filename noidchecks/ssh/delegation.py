"""The check's side of a session whose cryptography runs in a worker process: requests to the worker, its answers."""

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
# Environment variables that the worker gets for each session, because it may have been started long before.
_ENVIRONMENT = ("HOME", "SSH_AUTH_SOCK")
# The settings that the worker gets, converted to these types, because marshal refuses subclasses.
_SETTINGS = {"host": str, "port": int, "timeout": float, "family": int, "source": str, "known_hosts": str}
_CHUNK = 65536
_BUSY_PAUSE = 0.02
# A check that waited longer than this share of its timeout for a worker blames this machine for a missed deadline.
_LONG_WAIT = 0.25


class Delegation:
    """A connection that a worker process handles; every operation raises ProbeError."""

    __slots__ = ("_worker", "_reader", "_over")

    def __init__(self, worker: Channel) -> None:
        self._worker = worker
        # The failure that ended the session; every later operation raises it again.
        self._over: ProbeError | None = None
        self._reader = frames.FrameReader()

    @property
    def channel(self) -> Channel:
        """The channel to the worker."""
        return self._worker

    def wait_of(self, seconds: float) -> str:
        """Returns a clause about the wait for the worker if it took more than a quarter of the seconds, else ""."""
        waited: float = getattr(self._worker, "waited", 0.0)
        return f"no worker process was free for {waited:.1f} s of them" if waited > seconds * _LONG_WAIT else ""

    def host_key(self) -> Dialogue[HostKey]:
        """Returns the host key that the server has proved to own."""
        return HostKey(*frames.values((yield from self._expect(frames.KEY))))

    def log_in(self) -> Dialogue[str]:
        """Logs in and returns the method that the server accepted."""
        yield from self._send(frames.pack(frames.LOGIN, b""))
        (method,) = frames.values((yield from self._expect(frames.METHOD)))
        return str(method)

    def open_sftp(self) -> Dialogue[None]:
        """Opens a channel with the SFTP subsystem."""
        yield from self._send(frames.pack(frames.OPEN, b""))
        yield from self._expect(frames.OPENED)

    def send(self, data: bytes, shown: bytes) -> Dialogue[None]:
        """Sends data on the channel; the transcript prints shown in its place."""
        yield from self._send(frames.pack(frames.DATA, data), shown)

    def receive(self, patience: float | None = None) -> Dialogue[bytes | None]:
        """Receives from the channel; None after patience seconds; raises Ended at its end, with the server's text."""
        frame = yield from self._next(patience)
        if frame is None:
            return None
        if frame[0] == frames.END:
            (words,) = frames.values(frame[1])
            self._over = Ended(str(words))
            raise self._over
        return self._must_be(frames.DATA, frame)

    def close(self) -> Dialogue[None]:
        """Ends the session and leaves the worker to later ones; without close(), the worker is killed."""
        yield Close(self._worker)

    def _send(self, frame: bytes, shown: bytes = b"") -> Dialogue[None]:
        if self._over is not None:
            raise self._over
        try:
            yield Send(self._worker, frame, shown)
        except NotConnected:
            # The worker's last frame has the reason.
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
    """The server ended the channel or the connection; words is its explanation, "" for none."""

    def __init__(self, words: str) -> None:
        reason = f"the server ends the connection: {words}" if words else "the connection ends"
        super().__init__(reason, expected="an answer", received=words.encode())
        self.words = words


def delegate(channel: Channel, settings: SshSettings, ours: bytes, seen: bytes) -> Dialogue[Delegation]:
    """Passes a connection to a worker after the exchange of identification strings; seen is all received bytes."""
    plain = {name: kind(getattr(settings, name)) for name, kind in _SETTINGS.items()}
    keys = tuple((str(identity.path), str(identity.passphrase)) for identity in settings.identities)
    # Sent at the beginning although it is used only for an expected host key: the worker masks secrets in the server's
    # text.
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
        # The working directory was deleted. Absolute paths still work.
        return ""


def _failure(kind: str, message: str, phase: str, expected: str, received: bytes | str) -> ProbeError:
    error: ProbeError
    error = LocalError(message) if kind == "local" else PeerError(message, expected=expected, received=received)
    error.phase = phase
    return error
