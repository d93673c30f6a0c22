"""The steps that need cryptography: proof of the host key, login, SFTP session."""

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
# The seconds to wait for paramiko's thread to notice that its connection is closed.
_PATIENCE = 5.0


class Connection:
    """A connection that paramiko continues after the identification strings; seen is all bytes received before.

    Its methods block, so it is for worker processes. paramiko's own reader of identification strings, which has no
    limit and accepts only UTF-8, is never used on the server's bytes.
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
        """Makes the call; converts its exceptions to ProbeError, with the phase."""
        try:
            return call()
        except ProbeError as failure:
            failure.phase = failure.phase or phase
            raise
        except Exception as error:
            # Every exception, because paramiko passes on what its parsers raise for a hostile message.
            raise self._failed(error, phase) from error

    def shut(self) -> None:
        """Shuts down the connection, which wakes up every thread that waits on it."""
        self._socket.shut()

    def close(self) -> bool:
        """Closes the connection; returns whether paramiko's thread has ended too."""
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
        """Exchanges keys and returns the host key that the server has proved to own; raises PeerError, LocalError."""
        settings = self.settings
        known = (
            known_hosts.read(settings.known_hosts, settings.host, settings.port)
            if settings.known_hosts
            else KnownKeys()
        )
        transport = self._transport = Transport(self._socket)
        transport.local_version, transport.remote_version = self._ours, self._theirs
        transport.words = settings.gate.words
        # The process is killed at the check's deadline; paramiko's default timeouts may be shorter.
        if self.settings.timeout > 0:
            limit = self.settings.timeout + 1
            transport.banner_timeout = transport.auth_timeout = limit
            # The handshake timeout is disabled, because it is a timer thread, which outlives the check.
            transport.packetizer.start_handshake = lambda _: None
        _prefer(transport, set(known.kinds))
        transport.start_client()
        # start_client() also returns for a silent server; get_remote_server_key() raises then.
        key = transport.get_remote_server_key()
        expected = known.expected(key.fingerprint)
        return HostKey(settings.gate.words(key.get_name()), key.fingerprint, expected, known.revoked)

    def log_in(self) -> str:
        """Logs in and returns the accepted method; raises PeerError with the attempts, LocalError."""
        assert self._transport is not None, "keys are exchanged"  # noqa: S101
        assert self.settings.login is not None, "a login was asked for"  # noqa: S101
        return Authentication(self._transport, self.settings.login, self._adopt).run(self.settings)

    def open_sftp(self) -> paramiko.Channel:
        """Returns a channel with the SFTP subsystem; raises PeerError."""
        assert self._transport is not None, "we are logged in"  # noqa: S101
        try:
            channel = self._transport.open_session()
            channel.invoke_subsystem("sftp")
        except (paramiko.ChannelException, paramiko.SSHException, EOFError) as error:
            # The str() of a ChannelException is that of its constructor's call.
            said = self.settings.gate.words(str(getattr(error, "text", error)), _SHOWN)
            reason = self._transport.farewell or said or "the connection ends"
            raise PeerError(f"the server gives no SFTP session: {reason}", expected="sftp", received=b"") from error
        # The channel has no timeout, because the process is killed at the check's deadline.
        return channel

    @property
    def farewell(self) -> str:
        """The server's reason for ending the connection, "" when it did not end it or gave none."""
        return self._transport.farewell if self._transport is not None else ""

    def _adopt(self, sock: Shuttable) -> None:
        """Adds a socket that close() closes too."""
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
            # paramiko's message is about its own variables: the bytes are not UTF-8, or the message type is unknown.
            reason = f"the server sends what paramiko cannot read ({type(error).__name__})"
        else:
            reason = self.settings.gate.words(str(error) or type(error).__name__, _SHOWN)
        if phase == "kex":
            reason = f"Key exchange failed: {reason}"
        failure: ProbeError
        if "(no acceptable " in reason:
            # paramiko lacks the algorithms; other clients may be able to use the server.
            failure = LocalError(f"{reason}; --algorithms shows what the server offers")
        else:
            failure = PeerError(reason, expected="", received=b"")
        failure.phase = phase
        return failure


def _prefer(transport: paramiko.Transport, kinds: set[str]) -> None:
    """Prefers the types of known host keys, as OpenSSH does, because a server has several host keys."""
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)
