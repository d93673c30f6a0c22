"""What needs cryptography: proof of the host key, login, SFTP session; each step is for a thread."""

from __future__ import annotations

import _thread
import threading

from ..errors import LocalError, PeerError, ProbeError
from ..value import Value
from . import known_hosts
from .authentication import Authentication
from .crypto import paramiko
from .known_hosts import KnownKeys
from .sockets import Resumed
from .transport import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ..drivers.sockets import Channel
    from .probe import SshProbe
    from .sockets import Shuttable

    T = TypeVar("T")

_SHOWN = 200


class HostKey(Value):
    """The key that a server proved to have, and the fingerprints that a file of known hosts has for the server."""

    __slots__ = ("kind", "fingerprint", "known", "revoked")
    kind: str
    fingerprint: str
    known: tuple[str, ...]
    revoked: tuple[str, ...]

    def __init__(self, kind: str, fingerprint: str, known: tuple[str, ...] = (), revoked: tuple[str, ...] = ()) -> None:
        self._fill({"kind": kind, "fingerprint": fingerprint, "known": known, "revoked": revoked})


class Connection:
    """A connection that goes on with paramiko behind the identification strings; seen is what the server sent so far.

    Each step is for a thread; stop() makes it return, from any other, and ends the connection. paramiko reads what we
    have read, so that its own reader, which takes any number of bytes for an identification string, never meets the
    server.
    """

    def __init__(self, channel: Channel, probe: SshProbe, ours: bytes, seen: bytes) -> None:
        self._probe = probe
        self._ours = ours.decode("ascii").rstrip("\r\n")
        self._socket = Resumed(channel.fileno(), seen)
        self._sockets: list[Shuttable] = [self._socket]
        self._transport: Transport | None = None
        self._lock = threading.Lock()
        self._running = 0
        self._stopped = False

    def step(self, phase: str, call: Callable[[], T]) -> Callable[[], T]:
        """Returns the call as a step, which raises nothing but ProbeError, and tidies up when it was stopped."""

        def run() -> T:
            with self._lock:
                if self._stopped:
                    raise LocalError("stopped before it began")
                self._running += 1
            try:
                return call()
            except ProbeError as failure:
                failure.phase = failure.phase or phase
                raise
            except Exception as error:
                # Any kind: paramiko passes on what a hostile message made its parsers raise.
                raise self._failed(error, phase) from error
            finally:
                with self._lock:
                    self._running -= 1
                    is_last = self._stopped and not self._running
                if is_last:
                    self._finish()

        return run

    def stop(self) -> None:
        """Ends the connection, and with it every step; harmless afterwards."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            is_idle = not self._running
            sockets = list(self._sockets)
        for one in sockets:
            one.shut()
        if is_idle:
            # Not here: paramiko's thread takes a moment to notice, and the driver has others to serve.
            _thread.start_new_thread(self._finish, ())

    def exchange_keys(self) -> HostKey:
        """Returns the key that the server proves to have; PeerError, LocalError."""
        probe = self._probe
        known = known_hosts.read(probe.known_hosts, probe.host, probe.port) if probe.known_hosts else KnownKeys()
        transport = self._transport = Transport(self._socket)
        transport.local_version = self._ours
        transport.words = probe.gate.words
        # The deadline is ours; paramiko's own limits are for those who have none.
        if self._probe.timeout > 0:
            limit = self._probe.timeout + 1
            transport.banner_timeout = transport.auth_timeout = limit
            # One more would be a timer, which is a thread, and outlives the check.
            transport.packetizer.start_handshake = lambda _: None
        _prefer(transport, set(known.kinds))
        transport.start_client()
        # A silent server makes start_client() return too; this raises then.
        key = transport.get_remote_server_key()
        return HostKey(probe.gate.words(key.get_name()), key.fingerprint, known.fingerprints, known.revoked)

    def log_in(self) -> str:
        """Logs in and returns the method that the server took; PeerError with what was tried, LocalError."""
        assert self._transport is not None, "keys are exchanged"  # noqa: S101
        assert self._probe.login is not None, "a login was asked for"  # noqa: S101
        return Authentication(self._transport, self._probe.login, self._adopt).run(self._probe)

    def open_sftp(self) -> paramiko.SFTPClient:
        """Returns an SFTP session; PeerError."""
        assert self._transport is not None, "we are logged in"  # noqa: S101
        try:
            session = paramiko.SFTPClient.from_transport(self._transport)
        except (paramiko.ChannelException, paramiko.SSHException) as error:
            reason = self._probe.gate.words(str(error), _SHOWN)
            raise PeerError(f"the server gives no SFTP session: {reason}", expected="sftp", received=b"") from error
        # Not a step of ours that waits without end: the deadline ends the connection.
        assert session is not None, "paramiko returns none only without a channel"  # noqa: S101
        return session

    def _finish(self) -> None:
        transport = self._transport
        if transport is not None:
            transport.close()
            if transport.is_alive():
                # close() does not wait for the thread, which must not meet another file under our descriptor.
                transport.join()
        for one in self._sockets:
            one.end()

    def _adopt(self, sock: Shuttable) -> None:
        """Has stop() shut this socket too."""
        with self._lock:
            self._sockets.append(sock)
            is_late = self._stopped
        if is_late:
            sock.shut()

    def _failed(self, error: Exception, phase: str) -> ProbeError:
        farewell = self._transport.farewell if self._transport is not None else ""
        if farewell:
            reason = f"the server ends the connection: {farewell}"
        elif isinstance(error, EOFError):
            reason = "the connection ends"
        else:
            reason = self._probe.gate.words(str(error) or type(error).__name__, _SHOWN)
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
