"""The fork server of a survey or a guardian: it loads a foreign library once and forks the workers that use it.

A worker serves one session at a time, so killing it harms no other check. The server and its workers are one process
group, which ends with the process that they serve. Kernel limits hold even while the library keeps Python code from
running: a timer that each session sets, and RLIMIT_DATA for the memory of a worker.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from importlib import import_module
from resource import RLIMIT_DATA, RLIMIT_NOFILE, RUSAGE_SELF, getrlimit, getrusage, setrlimit
from time import monotonic

from ..errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, TypeAlias

    Serve: TypeAlias = Callable[[socket.socket], bool]

# Each worker takes some megabytes while it works; further sessions wait in the order of their requests.
MOST_WORKERS = 128
# The bytes that a session may allocate in addition to what the loaded library takes.
MEMORY = 256 << 20
# Four workers are forked at once, each further one 0.01 s later: a fork costs as much as a session, and running workers
# serve short sessions faster than new ones could be forked.
_AT_ONCE = 4
_PACE = 0.01
# The idle workers that are kept, and the seconds without a request after which the other idle workers are ended.
_KEPT = 4
_LULL = 10.0
# A worker ends after this number of sessions, so that the leaks of the library do not add up.
_MOST_SESSIONS = 500
_READY, _IDLE, _HELLO, _BROKEN, _LACKING = b"r", b"i", b"h", b"!", b"l"


def main(module: str) -> NoReturn:
    """Serves the process at the other end of the socket on descriptor 0 until that process ends."""
    control = socket.socket(fileno=os.dup(0))
    _detach()
    _, hard = getrlimit(RLIMIT_NOFILE)
    setrlimit(RLIMIT_NOFILE, (hard, hard))
    # The kernel reaps the workers.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        serve = _load(module)
        control.send(_READY)
        _Server(control, serve).run()
    except Exception as error:
        _tell(control, error)
    finally:
        os.killpg(0, signal.SIGKILL)
        os._exit(1)


def work_once(module: str, session: socket.socket, life: int) -> NoReturn:
    """Serves one session in a process forked for it alone; ends early when the other end of the pipe life closes."""
    try:
        _detach()
        _end_with(life)
        serve = _load(module)
        _limit_memory()
        _serve(serve, session)
    except Exception as error:
        _tell(session, error)
    finally:
        os._exit(0)


class _Server:
    """Gives sessions to idle workers, forks further workers up to the limit, and queues the remaining sessions."""

    def __init__(self, control: socket.socket, serve: Serve) -> None:
        self._control = control
        self._serve = serve
        # The sockets to all workers by descriptor, and the sockets to the idle workers.
        self._workers: dict[int, socket.socket] = {}
        self._idle: list[socket.socket] = []
        self._waiting: list[int] = []
        self._next_fork = 0.0
        self._epoll = select.epoll()
        self._epoll.register(control, select.EPOLLIN)

    def run(self) -> None:
        """Serves until the other end of the control socket is closed."""
        while True:
            ready = self._epoll.poll(self._pause())
            if not ready and not self._waiting:
                while len(self._idle) > _KEPT:
                    self._forget(self._idle[-1])
            for descriptor, _ in ready:
                if descriptor != self._control.fileno():
                    # None when _hand_out() has found this idle worker dead since the poll.
                    worker = self._workers.get(descriptor)
                    if worker is not None:
                        self._hear(worker)
                    continue
                asked, sessions = _receive_descriptor(self._control)
                if not asked:
                    return
                self._waiting += sessions
            self._hand_out()

    def _pause(self) -> float | None:
        if self._waiting and len(self._workers) < MOST_WORKERS:
            return max(0.0, self._next_fork - monotonic())
        return _LULL if len(self._idle) > _KEPT else None

    def _hear(self, worker: socket.socket) -> None:
        if _read(worker):
            self._idle.append(worker)
        else:
            self._forget(worker)

    def _forget(self, worker: socket.socket) -> None:
        # The worker has ended, or ends when it finds its socket closed. close() alone would leave the socket in the
        # epoll: a worker that was just forked still has a copy of the descriptor.
        self._epoll.unregister(worker)
        del self._workers[worker.fileno()]
        if worker in self._idle:
            self._idle.remove(worker)
        worker.close()

    def _hand_out(self) -> None:
        while self._waiting:
            if _is_abandoned(self._waiting[0]):
                os.close(self._waiting.pop(0))
            elif self._idle:
                self._give(self._idle.pop(), self._waiting[0])
            elif len(self._workers) < MOST_WORKERS and (
                len(self._workers) < _AT_ONCE or monotonic() >= self._next_fork
            ):
                self._next_fork = monotonic() + _PACE
                session = self._waiting.pop(0)
                try:
                    self._fork(session)
                except OSError:
                    # The limit of processes is reached: closing the session's socket makes its check report that.
                    pass
                os.close(session)
            else:
                return

    def _give(self, worker: socket.socket, session: int) -> None:
        try:
            socket.send_fds(worker, [_HELLO], [session])
        except OSError:
            self._forget(worker)
            return
        self._waiting.pop(0)
        os.close(session)

    def _fork(self, session: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork():
            theirs.close()
            self._workers[ours.fileno()] = ours
            self._epoll.register(ours, select.EPOLLIN)
            return
        try:
            _close_all_but(theirs.fileno(), session)
            _limit_memory()
            _work(self._serve, theirs, session)
        finally:
            os._exit(0)


def _work(serve: Serve, server: socket.socket, session: int) -> None:
    for left in reversed(range(_MOST_SESSIONS)):
        with socket.socket(fileno=session) as sock:
            if not _serve(serve, sock) or not left:
                return
        server.send(_IDLE)
        asked, sessions = _receive_descriptor(server)
        if not asked:
            return
        (session,) = sessions


def _serve(serve: Serve, session: socket.socket) -> bool:
    """Serves a session; returns whether the worker may serve another one."""
    with os.fdopen(os.pidfd_open(os.getpid())) as pidfd:
        try:
            socket.send_fds(session, [_HELLO], [pidfd.fileno()])
        except OSError:
            # The check has ended and closed its socket.
            return True
    try:
        return serve(session)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _load(module: str) -> Serve:
    serve: Serve = import_module(module).serve
    gc.collect()
    # The collector then does not write to objects from before the fork, so that their pages stay shared.
    gc.freeze()
    # Plugins start with the collector disabled.
    gc.enable()
    return serve


def _tell(sock: socket.socket, error: Exception) -> None:
    is_said = isinstance(error, LocalError)
    kind, words = (_LACKING, str(error)) if is_said else (_BROKEN, f"{type(error).__name__}: {error}")
    try:
        sock.send(kind + words.encode(errors="replace")[:500])
    except OSError:
        pass


def _detach() -> None:
    """Releases the standard descriptors, which a caller may wait for, and ignores signals for the served process."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _end_with(pipe: int) -> None:
    """Makes the kernel end this process, by SIGIO, when the last process that holds the other end of the pipe ends."""
    import fcntl

    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if _is_abandoned(pipe):
        os._exit(0)


def _limit_memory() -> None:
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        # Without /proc, as in a bare chroot, the peak resident set size takes its place; it is larger.
        used = getrusage(RUSAGE_SELF).ru_maxrss << 10
    _, hard = getrlimit(RLIMIT_DATA)
    limit = used + MEMORY
    if hard < 0 or limit < hard:
        setrlimit(RLIMIT_DATA, (limit, limit))


def _close_all_but(*kept: int) -> None:
    begin = 3
    for descriptor in sorted(kept):
        os.closerange(begin, descriptor)
        begin = descriptor + 1
    os.closerange(begin, getrlimit(RLIMIT_NOFILE)[0])


def _receive_descriptor(sock: socket.socket) -> tuple[bytes, list[int]]:
    try:
        data, descriptors, _, _ = socket.recv_fds(sock, 1, 1)
    except OSError:
        return b"", []
    return data, descriptors


def _read(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1)
    except OSError:
        return b""


def _is_abandoned(session: int) -> bool:
    poll = select.poll()
    poll.register(session, 0)
    return bool(poll.poll(0))


if __name__ == "__main__":
    main(sys.argv[1])
