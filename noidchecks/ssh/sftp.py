"""What needs cryptography: the key exchange that proves a host key; the only import of paramiko."""

from __future__ import annotations

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
    from ..drivers.sockets import Channel
    from .probe import SshProbe

# Without a handler, logging prints paramiko's tracebacks on standard error. Who configures logging still gets them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_SHOWN = 200
_SSH_PORT = 22


class HostKey(Value):
    """The key that a server proved to have, and the fingerprints that a file of known hosts has for the server."""

    __slots__ = ("kind", "fingerprint", "known")
    kind: str
    fingerprint: str
    known: tuple[str, ...]

    def __init__(self, kind: str, fingerprint: str, known: tuple[str, ...] = ()) -> None:
        self._fill({"kind": kind, "fingerprint": fingerprint, "known": known})


class KeyExchange:
    """A key exchange on a connection where the identification strings are exchanged, seen is what the server sent.

    run() is for a thread; stop() makes it return, from any other. paramiko reads what we have read, so that its own
    reader, which takes any number of bytes for an identification string, never meets the server.
    """

    def __init__(self, channel: Channel, probe: SshProbe, ours: bytes, seen: bytes) -> None:
        self._probe = probe
        self._ours = ours.decode("ascii").rstrip("\r\n")
        # A descriptor of its own: the driver closes the channel's whenever it likes.
        self._socket = _Resumed(socket.socket(fileno=os.dup(channel.fileno())), seen)
        self._lock = threading.Lock()
        self._begun = False
        self._stopped = False

    def run(self) -> HostKey:
        """Exchanges keys and returns the server's; PeerError, LocalError."""
        with self._lock:
            if self._stopped:
                raise LocalError("stopped before it began")
            self._begun = True
        try:
            return self._exchange()
        finally:
            self._socket.end()

    def stop(self) -> None:
        """Ends the connection, and with it run(); harmless afterwards."""
        with self._lock:
            self._stopped = True
            if self._begun:
                self._socket.shut()
            else:
                self._socket.end()

    def _exchange(self) -> HostKey:
        known = self._known_keys()
        transport = paramiko.Transport(self._socket)
        try:
            transport.local_version = self._ours
            # The deadline is ours; paramiko's own limits are for those who have none.
            if self._probe.timeout > 0:
                transport.banner_timeout = transport.handshake_timeout = self._probe.timeout + 1
            _prefer(transport, {key.get_name() for key in known})
            transport.start_client()
            # A silent server makes start_client() return too; this raises then.
            key = transport.get_remote_server_key()
        except ProbeError:
            raise
        except Exception as error:
            # Any kind: paramiko passes on what a hostile message made its parsers raise.
            raise _failed(error) from error
        finally:
            # First, so that paramiko's thread sees the end at once and not at its next look.
            self._socket.shut()
            transport.close()
            if transport.is_alive():
                # close() does not wait for the thread, which must not meet another file under our descriptor.
                transport.join()
        return HostKey(printable(key.get_name()), key.fingerprint, tuple(one.fingerprint for one in known))

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


def _failed(error: Exception) -> PeerError:
    reason = "the connection ends" if isinstance(error, EOFError) else str(error) or type(error).__name__
    failure = PeerError(f"Key exchange failed: {printable(reason, _SHOWN)}", expected="a host key", received=b"")
    failure.phase = "kex"
    return failure
