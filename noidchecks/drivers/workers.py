"""Worker processes, in which foreign libraries process input from peers: how they are started, reached and ended.

A plugin, which makes one check and ends, forks its only worker itself (stand_alone). Any other process may have threads
(a fork copies the locks that they hold, but not the threads), an event loop, and much memory. It starts a fork server
once (fork_server.py): a new interpreter that loads the library and forks workers, each for one session at a time.

A session is a socket pair: the server passes one end to a worker, which answers with its own pidfd. The check then
passes its connection and the first data to the worker (SCM_RIGHTS). At the deadline the check kills the worker through
the pidfd, which cannot hit another process that has got the same process id since.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what signal itself imports, which costs a plugin more
import _socket
import _thread
import atexit
import errno
import marshal
import os
import select
import sys
from time import monotonic

from ..errors import LocalError
from ..status.text import printable
from .sockets import WAIT_READ, Channel, WouldBlock

_HELLO = b"h"
_BUSY = (errno.EAGAIN, errno.ETOOMANYREFS)
# The seconds after which a server that is not ready counts as failed. Most checks have a shorter timeout, and report
# the missed deadline themselves.
_PATIENCE = 300.0
_BOOT = (
    "import sys, os, marshal\n"
    "sys.path[:], module = marshal.loads(os.read(0, 1 << 20))\n"
    "from noidchecks.drivers.fork_server import main\n"
    "main(module)"
)
_lock = _thread.allocate_lock()
_alone = False
_own_worker: Worker | None = None
_own_pid = 0
_server: _Server | None = None


class Worker(Channel):
    """A worker process from its request on; waited is the seconds between the request and the worker's answer."""

    __slots__ = ("_owner", "_pidfd", "_asked", "waited")
    is_internal = True

    def __init__(self, sock: _socket.socket) -> None:
        super().__init__(sock, None)
        self._owner = os.getpid()
        self._pidfd = -1
        self._asked = monotonic()
        self.waited = 0.0

    def arrive(self) -> None:
        """Receives the worker's pidfd, unless it has it; raises WouldBlock, LocalError."""
        if self._pidfd >= 0:
            return
        try:
            data, ancillary, _, _ = self._socket.recvmsg(512, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            raise WouldBlock(self._socket.fileno(), WAIT_READ) from None
        except OSError:
            data, ancillary = b"", []
        if not ancillary:
            raise _failure(data, "no worker process: {}", "it ended before it began")
        self._pidfd = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        self.waited = monotonic() - self._asked

    def hand_over(self, channel: Channel, data: bytes) -> None:
        """Passes the connection and the first data to the worker; raises LocalError."""
        descriptor = channel.fileno().to_bytes(4, sys.byteorder)
        try:
            sent = self._socket.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor)])
        except OSError as error:
            raise LocalError(f"cannot hand a connection to a worker process: {error.strerror}") from error
        if sent != len(data):
            raise LocalError(f"cannot hand {len(data)} bytes to a worker process")

    def end(self) -> None:
        """Closes the session and lets the worker live, for the next session."""
        self._forget()
        if self._owner == os.getpid():
            try:
                # close() alone would not end the session: a process forked from this one since has the descriptor too.
                self._socket.shutdown(_socket.SHUT_RDWR)
            except OSError:
                pass
        super().close()

    def close(self) -> None:
        """Kills the worker, unless it works for the process that this one was forked from."""
        if self._pidfd >= 0:
            try:
                if self._owner == os.getpid():
                    _signal.pidfd_send_signal(self._pidfd, _signal.SIGKILL)
            except OSError:
                pass
            self._forget()
        super().close()

    def _forget(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def stand_alone() -> None:
    """Declares that this process makes one check and ends: it has no threads, and forks its worker itself."""
    global _alone
    _alone = True


def prepare(module: str) -> bool:
    """Has a worker or the fork server load the module; returns whether that is still under way; raises LocalError.

    After stand_alone() it waits for the worker. Otherwise it never blocks, because other checks run in this process.
    """
    global _own_worker, _server
    with _lock:
        if not _alone:
            try:
                return not _serving(module).is_ready()
            except LocalError:
                # The next check starts another server.
                _server = None
                raise
        if _own_worker is None:
            _own_worker = _fork(module)
            _await_readable(_own_worker.fileno())
    return False


def ask_for(module: str) -> Worker | None:
    """Requests a worker and returns it, or None while too many requests are pending; raises LocalError."""
    global _own_worker
    with _lock:
        if _own_worker is not None:
            worker, _own_worker = _own_worker, None
            # The wait counts from now on: until now the worker was loading its module.
            worker._asked = monotonic()
            return worker
        try:
            ours, theirs = _pair(_socket.SOCK_STREAM)
        except OSError as error:
            raise LocalError(f"cannot open a socket: {error.strerror}") from error
        try:
            try:
                _serving(module).ask(theirs)
            except ConnectionError:
                # The server has been killed.
                _serving(module, afresh=True).ask(theirs)
        except OSError as error:
            ours.close()
            if error.errno in _BUSY:
                return None
            raise LocalError(f"cannot ask for a worker process: {error.strerror}") from error
        except LocalError:
            ours.close()
            raise
        finally:
            theirs.close()
        return Worker(ours)


class _Server:
    """The fork server; it belongs to the process that started it, not to forks of that process."""

    def __init__(self, module: str) -> None:
        self.owner = os.getpid()
        self._is_ready = False
        self._began = monotonic()
        if not sys.executable or getattr(sys, "frozen", False):
            # In a frozen program, sys.executable is the program itself, which would start itself again and again.
            raise ValueError("this program has no Python interpreter beside it")
        self._socket, theirs = _pair(_socket.SOCK_SEQPACKET)
        try:
            # The last entry finds this package where it was imported through a relative path and the working directory
            # has changed since.
            ours = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
            paths = [*(path for path in sys.path if isinstance(path, str)), ours]
            self._socket.send(marshal.dumps((paths, module)))
            isolated = ["-I"] if sys.flags.isolated else []
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *isolated, "-W", "ignore", "-c", _BOOT],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
                setpgroup=0,
            )
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()

    def is_ready(self) -> bool:
        """Returns whether the module is loaded; raises LocalError when the server has failed."""
        if self._is_ready:
            return True
        try:
            answer = self._socket.recv(512)
        except BlockingIOError:
            if monotonic() < self._began + _PATIENCE:
                return False
            answer = b""
        except OSError:
            answer = b""
        if answer[:1] != b"r":
            self.end()
            raise _failure(answer, "no worker processes: {}", "it does not come up")
        self._is_ready = True
        return True

    def ask(self, session: _socket.socket) -> None:
        """Requests a worker for the session; raises OSError."""
        descriptor = session.fileno().to_bytes(4, sys.byteorder)
        self._socket.sendmsg([_HELLO], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor)])

    def end(self) -> None:
        """Ends the server and its workers."""
        self._socket.close()
        if self.owner == os.getpid():
            try:
                os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:
                pass


def _serving(module: str, *, afresh: bool = False) -> _Server:
    global _server
    if _server is not None and (afresh or _server.owner != os.getpid()):
        _server.end()
        _server = None
    if _server is None:
        try:
            _server = _Server(module)
        except (OSError, ValueError, TypeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise LocalError(f"cannot start worker processes: {reason}") from error
    return _server


def _fork(module: str) -> Worker:
    try:
        ours, theirs = _pair(_socket.SOCK_STREAM)
        # This process keeps the other end open for as long as it lives.
        life, life_of_ours = os.pipe()
        pid = os.fork()
    except OSError as error:
        raise LocalError(f"cannot start a worker process: {error.strerror}") from error
    if pid:
        global _own_pid
        _own_pid = pid
        theirs.close()
        os.close(life)
        return Worker(ours)
    try:
        ours.close()
        os.close(life_of_ours)
        from socket import socket

        from .fork_server import work_once

        work_once(module, socket(fileno=theirs.detach()), life)
    finally:
        os._exit(1)


def _failure(answer: bytes, words: str, silence: str) -> LocalError:
    """Returns the error for an answer other than readiness: what this machine lacks, or the exception that ended it."""
    said = printable(answer[1:], 200) or silence
    return LocalError(said if answer[:1] == b"l" else words.format(said))


def _pair(kind: int) -> tuple[_socket.socket, _socket.socket]:
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, kind | _socket.SOCK_CLOEXEC)
    ours.setblocking(False)
    return ours, theirs


def _await_readable(descriptor: int) -> None:
    """Waits until the descriptor is readable, at most 300 seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll(_PATIENCE * 1000)


def _end_server() -> None:
    global _server
    if _server is not None:
        _server.end()
        _server = None


# At exit the interpreter warns (ResourceWarning) about a socket that is still open.
atexit.register(_end_server)


def _leave_to_parent() -> None:
    """Drops, in a forked process, the parent's workers and replaces the lock, which a parent's thread may have held."""
    global _lock, _own_worker
    _lock = _thread.allocate_lock()
    # Only closes this copy of the socket: the server ends when the last process that has it closes it.
    _end_server()
    _own_worker = None


os.register_at_fork(after_in_child=_leave_to_parent)


def reap() -> None:
    """Kills and reaps the worker that this process forked; a zombie would stay in a container without an init."""
    if _own_pid:
        try:
            os.kill(_own_pid, _signal.SIGKILL)
            os.waitpid(_own_pid, 0)
        except OSError:
            # Where the caller ignores SIGCHLD, which this process inherits, the kernel has reaped the worker.
            pass
