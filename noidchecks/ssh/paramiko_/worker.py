"""One SSH session in a worker process: key exchange, login and the relay of SFTP's bytes, at the check's requests."""

from __future__ import annotations

import os
import signal
import socket
import threading

from ...errors import LocalError, PeerError, ProbeError
from ...files.settings import Login
from .. import frames
from ..identity import Identity
from ..settings import SshSettings
from .connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import paramiko

_CHUNK = 65536
# The seconds after the deadline at which the kernel ends a worker that the check has not killed.
_GRACE = 1.0
_SHOWN = 200
_MOST_SEEN = 1 << 20


def serve(check: socket.socket) -> bool:
    """Serves the check at the other end until that closes; returns whether this process can serve another one."""
    link = _Link(check)
    try:
        given, connected = link.first()
    except EOFError:
        return True
    plain, login, ours, seen, environment, folder = given
    seconds = plain["timeout"]
    if seconds > 0:
        # A kernel timer, which also ends a process whose Python code does not run.
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE)
    _settle(environment, folder)
    _send_at_once(connected)
    connection = Connection(connected, _settings(plain, login), ours, seen)
    try:
        _go_on(link, connection)
    except ProbeError as failure:
        link.fail(failure)
    except EOFError:
        pass
    finally:
        ended = connection.close()
    link.drain()
    return ended and threading.active_count() == 1


def _settings(plain: dict[str, Any], login: tuple[Any, ...] | None) -> SshSettings:
    if login is None:
        return SshSettings(**plain)
    user, password, identities, agent = login
    keys = tuple(Identity(*one) for one in identities)
    return SshSettings(**plain, login=Login(user, password), identities=keys, agent=agent)


def _go_on(link: _Link, connection: Connection) -> None:
    key = connection.step("kex", connection.exchange_keys)
    link.send(frames.pack_values(frames.KEY, key.kind, key.fingerprint, key.known, key.revoked))
    link.expect(frames.LOGIN)
    method = connection.step("login", connection.log_in)
    link.send(frames.pack_values(frames.METHOD, method))
    link.expect(frames.OPEN)
    channel = connection.step("sftp", connection.open_sftp)
    link.send(frames.pack(frames.OPENED, b""))
    pump = threading.Thread(target=_pass_on, args=(connection, channel, link))
    # A step, because it fails when this machine has no free thread.
    connection.step("sftp", pump.start)
    try:
        while True:
            channel.sendall(link.expect(frames.DATA))
    except OSError:
        # The channel is closed; the other thread reports that.
        pump.join()
        link.drain()
    finally:
        channel.close()
        connection.shut()
        pump.join()


def _pass_on(connection: Connection, channel: paramiko.Channel, link: _Link) -> None:
    """Relays the server's data to the check, and at its end the reason."""
    try:
        while data := channel.recv(_CHUNK):
            link.send(frames.pack(frames.DATA, data))
        words = connection.farewell or _errors(connection, channel)
        link.send(frames.pack_values(frames.END, words))
    except OSError:
        # The check has ended.
        pass


def _errors(connection: Connection, channel: paramiko.Channel) -> str:
    """Returns the standard error of a program that ran in place of the SFTP server."""
    said = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
    return connection.settings.gate.words(said.strip(), _SHOWN)


def _settle(environment: dict[str, str | None], folder: str) -> None:
    """Sets environment variables and working directory to those of the check's process."""
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    try:
        os.chdir(folder)
    except OSError:
        # Absolute paths still work, and relative ones are reported as missing.
        pass


def _send_at_once(sock: socket.socket) -> None:
    """Disables Nagle's algorithm, which would delay small packets until the peer's delayed acknowledgement."""
    if sock.family != socket.AF_UNIX:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            # The connection has been reset; the next read reports it.
            pass


class _Link:
    """The socket to the check; raises EOFError when the check has closed it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = frames.FrameReader()

    def first(self) -> tuple[tuple[Any, ...], socket.socket]:
        """Returns the settings and the connection."""
        data, descriptors, _, _ = socket.recv_fds(self._socket, _MOST_SEEN, 1)
        if not descriptors:
            raise EOFError
        self._reader.feed(data)
        return frames.values(self.expect(frames.SETTINGS)), socket.socket(fileno=descriptors[0])

    def expect(self, kind: bytes) -> bytes:
        """Returns the contents of the next frame, which must be of the kind."""
        while (frame := self._reader.next()) is None:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise EOFError
            self._reader.feed(data)
        if frame[0] != kind:
            raise LocalError(f"a frame {frame[0]!r} in place of {kind!r}")
        return frame[1]

    def send(self, frame: bytes) -> None:
        self._socket.sendall(frame)

    def fail(self, failure: ProbeError) -> None:
        """Sends the failure to the check."""
        kind = "peer" if isinstance(failure, PeerError) else "local"
        expected, received = getattr(failure, "expected", ""), getattr(failure, "received", b"")
        try:
            self.send(frames.pack_values(frames.FAILED, kind, failure.message, failure.phase, expected, received))
        except OSError:
            pass

    def drain(self) -> None:
        """Waits until the check has closed the session, because it may kill this process until then."""
        try:
            while self._socket.recv(_CHUNK):
                pass
        except OSError:
            pass
