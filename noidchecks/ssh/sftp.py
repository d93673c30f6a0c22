"""What needs cryptography: proof of the host key, login, SFTP session; the only import of paramiko."""

from __future__ import annotations

import _thread
import logging
import os
import socket
import threading
import warnings

from ..errors import LocalError, PeerError, ProbeError
from ..status.text import printable
from ..value import Value

with warnings.catch_warnings():
    # Of what its own libraries will drop one day; standard error is no place for that.
    warnings.simplefilter("ignore")
    import paramiko

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from ..drivers.sockets import Channel
    from ..files.settings import Login
    from .identity import Identity
    from .probe import SshProbe

    T = TypeVar("T")

# Without a handler, logging prints paramiko's tracebacks on standard error. Who configures logging still gets them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_SHOWN = 200
_SSH_PORT = 22
# As many as OpenSSH lets a client try.
_MOST_AGENT_KEYS = 6


class HostKey(Value):
    """The key that a server proved to have, and the fingerprints that a file of known hosts has for the server."""

    __slots__ = ("kind", "fingerprint", "known")
    kind: str
    fingerprint: str
    known: tuple[str, ...]

    def __init__(self, kind: str, fingerprint: str, known: tuple[str, ...] = ()) -> None:
        self._fill({"kind": kind, "fingerprint": fingerprint, "known": known})


class Connection:
    """A connection that goes on with paramiko behind the identification strings; seen is what the server sent so far.

    Each step is for a thread; stop() makes it return, from any other, and ends the connection. paramiko reads what we
    have read, so that its own reader, which takes any number of bytes for an identification string, never meets the
    server.
    """

    def __init__(self, channel: Channel, probe: SshProbe, ours: bytes, seen: bytes) -> None:
        self._probe = probe
        self._ours = ours.decode("ascii").rstrip("\r\n")
        # A descriptor of its own: the driver closes the channel's whenever it likes.
        self._socket = _Resumed(socket.socket(fileno=os.dup(channel.fileno())), seen)
        self._transport: paramiko.Transport | None = None
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
                raise _failed(error, phase) from error
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
        self._socket.shut()
        if is_idle:
            # Not here: paramiko's thread takes a moment to notice, and the driver has others to serve.
            _thread.start_new_thread(self._finish, ())

    def exchange_keys(self) -> HostKey:
        """Returns the key that the server proves to have; PeerError, LocalError."""
        known = self._known_keys()
        transport = self._transport = paramiko.Transport(self._socket)
        transport.local_version = self._ours
        # The deadline is ours; paramiko's own limits are for those who have none.
        if self._probe.timeout > 0:
            limit = self._probe.timeout + 1
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = limit
        _prefer(transport, {key.get_name() for key in known})
        transport.start_client()
        # A silent server makes start_client() return too; this raises then.
        key = transport.get_remote_server_key()
        return HostKey(printable(key.get_name()), key.fingerprint, tuple(one.fingerprint for one in known))

    def log_in(self) -> str:
        """Logs in and returns the method that the server took; PeerError with what was tried, LocalError."""
        assert self._transport is not None, "keys are exchanged"  # noqa: S101
        assert self._probe.login is not None, "a login was asked for"  # noqa: S101
        return Authentication(self._transport, self._probe.login).run(self._probe)

    def open_sftp(self) -> paramiko.SFTPClient:
        """Returns an SFTP session; PeerError."""
        assert self._transport is not None, "we are logged in"  # noqa: S101
        try:
            session = paramiko.SFTPClient.from_transport(self._transport)
        except (paramiko.ChannelException, paramiko.SSHException) as error:
            raise PeerError(
                f"the server gives no SFTP session: {printable(str(error), _SHOWN)}", expected="sftp", received=b""
            ) from error
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
        self._socket.end()

    def _known_keys(self) -> list[paramiko.PKey]:
        path = self._probe.known_hosts
        if not path:
            return []
        host, port = self._probe.host, self._probe.port
        try:
            found = paramiko.HostKeys(path).lookup(host if port == _SSH_PORT else f"[{host}]:{port}")
        except Exception as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise LocalError(f"cannot read known hosts {printable(path)}: {printable(reason, _SHOWN)}") from error
        return list(found.values()) if found else []


class Authentication:
    """Ways to log in, tried one after the other until the server is content (RFC 4252): keys, agent, password."""

    def __init__(self, transport: paramiko.Transport, login: Login) -> None:
        self._transport = transport
        self._login = login
        self._tried: list[str] = []

    def run(self, probe: SshProbe) -> str:
        """Returns the method that let us in; PeerError, LocalError."""
        user = self._login.user
        offered = self._accepts("none", lambda: self._transport.auth_none(user))
        if offered is None:
            return "none"
        for method, attempt in self._ways(probe):
            left = self._accepts(method, attempt)
            if left is None:
                return method
            offered = left or offered
        tried = ", ".join(self._tried[1:]) or "nothing to try"
        wanted = f"; the server offers {', '.join(map(printable, offered))}" if offered else ""
        raise PeerError(f"{tried}{printable(wanted, _SHOWN)}", expected="a login", received=tried.encode())

    def _accepts(self, method: str, attempt: Callable[[], Sequence[str]]) -> tuple[str, ...] | None:
        """Tries one way: None when the server is content, else what it offers now, () when it does not say."""
        try:
            left = tuple(attempt())
        except paramiko.BadAuthenticationType as error:
            self._tried.append(f"{method} not accepted")
            return tuple(error.allowed_types)
        except paramiko.AuthenticationException:
            self._tried.append(f"{method} refused")
            return ()
        if not left:
            return None
        self._tried.append(f"{method} accepted, but not enough")
        return left

    def _ways(self, probe: SshProbe) -> Iterator[tuple[str, Callable[[], Sequence[str]]]]:
        user, password = self._login.user, self._login.password
        for identity in probe.identities:
            key = _load(identity)
            yield f"key {printable(identity.path)}", lambda key=key: self._transport.auth_publickey(user, key)  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        if probe.agent:
            agent = paramiko.Agent()
            try:
                keys = agent.get_keys()
                if not keys:
                    self._tried.append("agent has no keys")
                for key in keys[:_MOST_AGENT_KEYS]:
                    yield "agent key", lambda key=key: self._transport.auth_publickey(user, key)  # type: ignore[misc]  # as above
            finally:
                agent.close()
        if password:
            # Falls back to keyboard-interactive where the server offers that alone.
            yield "password", lambda: self._transport.auth_password(user, password)


class _Resumed:
    """A socket whose first lines in both directions are over: what was received is received again, ours not sent."""

    def __init__(self, sock: socket.socket, seen: bytes) -> None:
        self._socket = sock
        self._seen = seen
        self._greeted = False
        # paramiko looks at this attribute of sockets.
        self._closed = False

    def settimeout(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def recv(self, limit: int) -> bytes:
        if self._seen:
            data, self._seen = self._seen[:limit], self._seen[limit:]
            return data
        return self._socket.recv(limit)

    def send(self, data: bytes) -> int:
        if not self._greeted:
            self._greeted = True
            return len(data)
        return self._socket.send(data)

    def close(self) -> None:
        """What paramiko calls; the descriptor stays until nobody can use it any more."""
        self.shut()

    def shut(self) -> None:
        """Ends the connection for everybody who waits on it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def end(self) -> None:
        """Closes the descriptor."""
        self.shut()
        self._closed = True
        self._socket.close()


def _prefer(transport: paramiko.Transport, kinds: set[str]) -> None:
    """Asks first for the kinds of host keys that we know, as OpenSSH does: a server has several keys."""
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)


def _load(identity: Identity) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(identity.path, identity.passphrase.encode() or None)
    except OSError as error:
        reason = error.strerror or str(error)
    except TypeError:
        reason = "it is encrypted" if not identity.passphrase else "it is not encrypted, but there is a passphrase"
    except Exception:
        # cryptography's words for a wrong passphrase and for a broken file are the same, and many.
        reason = "no private key, or not with this passphrase" if identity.passphrase else "no private key"
    raise LocalError(f"cannot read identity {printable(identity.path)}: {reason}")


def _failed(error: Exception, phase: str) -> PeerError:
    reason = "the connection ends" if isinstance(error, EOFError) else str(error) or type(error).__name__
    reason = printable(reason, _SHOWN)
    failure = PeerError(f"Key exchange failed: {reason}" if phase == "kex" else reason, expected="", received=b"")
    failure.phase = phase
    return failure
