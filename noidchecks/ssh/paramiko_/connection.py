"""What needs cryptography: proof of the host key, login, SFTP session."""

from __future__ import annotations

from ...drivers.fork_server import MEMORY
from ...errors import LocalError, PeerError, ProbeError
from .. import known_hosts
from ..host_key import HostKey
from ..known_hosts import KnownKeys
from . import paramiko
from .authentication import Authentication
from .bounds import Excess
from .sockets import Resumed
from .transport import Identification, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import TypeVar

    from ..settings import SshSettings
    from .sockets import Shuttable

    T = TypeVar("T")

_SHOWN = 200
# The seconds that paramiko's thread has to notice that its connection is closed.
_PATIENCE = 5.0


class Connection:
    """A connection that goes on with paramiko behind the identification strings; seen is what the server sent so far.

    It blocks, and is for a worker process. paramiko's own reader, which takes any number of bytes for an identification
    string but only UTF-8, never meets the server.
    """

    def __init__(self, sock: socket.socket, settings: SshSettings, ours: str, seen: bytes) -> None:
        self.settings = settings
        self._ours = ours
        line, _, behind = seen.partition(b"\r\n")
        self._theirs = Identification.of(line)
        self._socket = Resumed(sock, behind)
        self._sockets: list[Shuttable] = [self._socket]
        self._transport: Transport | None = None

    def step(self, phase: str, call: Callable[[], T]) -> T:
        """Makes the call, which then raises nothing but ProbeError."""
        try:
            return call()
        except ProbeError as failure:
            failure.phase = failure.phase or phase
            raise
        except Exception as error:
            # Any kind: paramiko passes on what a hostile message made its parsers raise.
            raise self._failed(error, phase) from error

    def shut(self) -> None:
        """Ends the connection for every thread that waits on it."""
        self._socket.shut()

    def close(self) -> bool:
        """Ends the connection and tells whether paramiko's thread has ended too."""
        transport, ended = self._transport, True
        if transport is not None:
            transport.close()
            if transport.is_alive():
                # close() does not wait for the thread.
                transport.join(_PATIENCE)
                ended = not transport.is_alive()
        for one in self._sockets:
            one.end()
        return ended

    def exchange_keys(self) -> HostKey:
        """Returns the key that the server proves to have; PeerError, LocalError."""
        settings = self.settings
        known = (
            known_hosts.read(settings.known_hosts, settings.host, settings.port)
            if settings.known_hosts
            else KnownKeys()
        )
        transport = self._transport = Transport(self._socket)
        transport.local_version, transport.remote_version = self._ours, self._theirs
        transport.words = settings.gate.words
        # The deadline of the check ends the process; paramiko's own limits would come earlier.
        if self.settings.timeout > 0:
            limit = self.settings.timeout + 1
            transport.banner_timeout = transport.auth_timeout = limit
            # One more would be a timer, which is a thread, and outlives the check.
            transport.packetizer.start_handshake = lambda _: None
        _prefer(transport, set(known.kinds))
        transport.start_client()
        # A silent server makes start_client() return too; this raises then.
        key = transport.get_remote_server_key()
        expected = known.expected(key.fingerprint)
        return HostKey(settings.gate.words(key.get_name()), key.fingerprint, expected, known.revoked)

    def log_in(self) -> str:
        """Logs in and returns the method that the server took; PeerError with what was tried, LocalError."""
        assert self._transport is not None, "keys are exchanged"  # noqa: S101
        assert self.settings.login is not None, "a login was asked for"  # noqa: S101
        return Authentication(self._transport, self.settings.login, self._adopt).run(self.settings)

    def open_sftp(self) -> paramiko.Channel:
        """Returns a channel on which the server said that it speaks SFTP; PeerError."""
        assert self._transport is not None, "we are logged in"  # noqa: S101
        try:
            channel = self._transport.open_session()
            channel.invoke_subsystem("sftp")
        except (paramiko.ChannelException, paramiko.SSHException, EOFError) as error:
            # The str() of a ChannelException is that of its constructor's call.
            said = self.settings.gate.words(str(getattr(error, "text", error)), _SHOWN)
            reason = self._transport.farewell or said or "the connection ends"
            raise PeerError(f"the server gives no SFTP session: {reason}", expected="sftp", received=b"") from error
        # Without a limit of its own: the deadline of the check ends the process.
        return channel

    @property
    def farewell(self) -> str:
        """Why the server ended the connection, "" when it did not or did not say."""
        return self._transport.farewell if self._transport is not None else ""

    def _adopt(self, sock: Shuttable) -> None:
        """Has close() end this socket too."""
        self._sockets.append(sock)

    def _failed(self, error: Exception, phase: str) -> ProbeError:
        if self.farewell:
            reason = f"the server ends the connection: {self.farewell}"
        elif isinstance(error, Excess):
            reason = f"the server sends {error}"
        elif isinstance(error, MemoryError):
            reason = f"what the server sends takes more than {MEMORY >> 20} MiB of memory"
        elif isinstance(error, EOFError):
            reason = "the connection ends"
        elif isinstance(error, RuntimeError) and "start new thread" in str(error):
            mine = LocalError("this machine has no thread free for the session")
            mine.phase = phase
            return mine
        elif isinstance(error, UnicodeError | LookupError):
            # paramiko's words are of its own variables: bytes that are not UTF-8, a message of an unknown type.
            reason = f"the server sends what paramiko cannot read ({type(error).__name__})"
        else:
            reason = self.settings.gate.words(str(error) or type(error).__name__, _SHOWN)
        if phase == "kex":
            reason = f"Key exchange failed: {reason}"
        failure: ProbeError
        if "(no acceptable " in reason:
            # This tells what paramiko can do, not what the server's clients can.
            failure = LocalError(f"{reason}; --algorithms shows what the server offers")
        else:
            failure = PeerError(reason, expected="", received=b"")
        failure.phase = phase
        return failure


def _prefer(transport: paramiko.Transport, kinds: set[str]) -> None:
    """Asks first for the kinds of host keys that we know, as OpenSSH does: a server has several keys."""
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)
