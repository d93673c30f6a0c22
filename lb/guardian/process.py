"""Runs any Nagios plugin as a process: an argv list without a shell, in a process group that ends with it.

asyncio's own subprocesses are not used: before Python 3.12 they take a thread for each child.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import IO

from noidchecks.errors import LocalError
from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.status.text import printable
from noidchecks.timings import Timings

from .executable import find, trouble, unread
from .fair_queue import FairQueue

# Bytes that are kept of a plugin's output, as many as Nagios keeps; the rest is read and dropped.
_KEPT = 8192
_CHUNK = 65536
# Reads from one pipe in a row, so that a plugin that prints without end does not block the loop.
_PIECES = 4
# Seconds between SIGTERM and SIGKILL.
_GRACE = 1.0
# Exit codes of shells, env, nice and timeout for a program that they cannot run.
_NOT_RUN = {126: "a program that cannot be run", 127: "a program that does not exist"}
# Signals that say nothing about the peer: a crash, or an end by others, as when systemd stops a service. A timeout
# does: the result is reported before the signal is sent, and plugins use SIGALRM for timeouts of their own.
_NO_ANSWER = frozenset((signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
_NO_ANSWER |= {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGSYS, signal.SIGFPE}


class ProcessPool:
    """Runs plugins on the running asyncio loop, at most `most` at a time; queues the others, fairly by farm."""

    def __init__(self, most: int) -> None:
        self._running: set[_Run] = set()
        self._queue = FairQueue(most)
        self._idle = asyncio.Event()

    def start(
        self,
        words: Sequence[str],
        timeout: float,
        done: Callable[[Result], object],
        *,
        farm: str = "",
        begun: Callable[[], object] | None = None,
        given: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Runs a plugin; done gets its result at most timeout seconds after its start, and after this method returns.

        begun is called at its start; given is its standard input; environment is added to that of this process.
        """
        ended = partial(self._ended, farm)
        run = _Run(words, timeout, done, ended, given, environment or {})
        self._queue.put(farm, partial(self._begin, run, begun))

    async def close(self) -> None:
        """Kills all processes without reporting results, and waits up to a second for their end."""
        self._queue.clear()
        for run in list(self._running):
            run.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE if self._running else 0):
                await self._idle.wait()
        for run in list(self._running):
            run.release()

    def _begin(self, run: _Run, begun: Callable[[], object] | None) -> None:
        self._running.add(run)
        self._idle.clear()
        if begun is not None:
            begun()
        run.begin()

    def _ended(self, farm: str, run: _Run) -> None:
        self._running.discard(run)
        self._queue.end(farm)
        if not self._running:
            self._idle.set()


@dataclass(slots=True, eq=False)
class _Run:
    """One run of a plugin, from the start of its process until the whole process group has ended."""

    words: Sequence[str]
    timeout: float
    done: Callable[[Result], object] | None
    ended: Callable[[_Run], object]
    given: bytes
    environment: Mapping[str, str]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    timer: asyncio.TimerHandle | None = None
    process: subprocess.Popen[bytes] | None = None
    descriptor: int = -1
    kept: dict[int, bytearray] = field(default_factory=dict)
    began: float = 0.0

    def begin(self) -> None:
        """Starts the process."""
        self.began = monotonic()
        name = self.words[0]
        path = find(name)
        if path is None:
            self._fail(trouble(name) or f"there is no program {printable(name, 100)}")
            return
        try:
            self._spawn([path, *self.words[1:]])
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            # For a missing interpreter the kernel says ENOENT, which would name the script instead.
            self._fail(trouble(name) or f"{printable(name, 100)} cannot be run: {reason}")

    def kill(self) -> None:
        """Kills the process group without reporting a result."""
        self.done = None
        self._signal(signal.SIGKILL)

    def _spawn(self, argv: list[str]) -> None:
        given = _file_of(self.given)
        try:
            process = subprocess.Popen(  # noqa: S603 - the words that the operator has configured, without a shell
                argv,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env={**os.environ, "LC_ALL": "C", **self.environment},
                start_new_session=True,
                bufsize=0,
            )
        finally:
            if given >= 0:
                os.close(given)
        self.process = process
        for pipe in _pipes(process):
            os.set_blocking(pipe.fileno(), False)
            self.kept[pipe.fileno()] = bytearray()
            self.loop.add_reader(pipe.fileno(), self._read, pipe.fileno())
        self.descriptor = os.pidfd_open(process.pid)
        self.loop.add_reader(self.descriptor, self._exited, process)
        self.timer = self.loop.call_later(self.timeout, self._expire)

    def _read(self, descriptor: int) -> None:
        for _ in range(_PIECES):
            try:
                piece = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                piece = b""
            if not piece:
                self.loop.remove_reader(descriptor)
                return
            kept = self.kept[descriptor]
            kept += piece[: _KEPT - len(kept)]

    def _expire(self) -> None:
        text = f"{printable(self.words[0], 100)} CRITICAL - timeout after {self.timeout:g} seconds"
        self._report(Result(State.CRITICAL, text, timings=Timings(monotonic() - self.began)))
        self._signal(signal.SIGTERM)
        self.timer = self.loop.call_later(_GRACE, self._signal, signal.SIGKILL)

    def _exited(self, process: subprocess.Popen[bytes]) -> None:
        for descriptor in self.kept:
            self._read(descriptor)
        # Kill the rest of the group before waiting: until then the kernel cannot reuse the group's number.
        self._signal(signal.SIGKILL)
        code = process.wait()
        took = monotonic() - self.began
        self.release()
        self._report(_result(self.words[0], code, *map(bytes, self.kept.values()), seconds=took))
        self.ended(self)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            try:
                os.killpg(self.process.pid, number)
            except (ProcessLookupError, PermissionError):
                # The group has ended, or the plugin has changed its user: its pipes are closed in any case.
                return

    def release(self) -> None:
        """Stops watching the process, which has ended or which SIGKILL could not end."""
        if self.timer is not None:
            self.timer.cancel()
        if self.descriptor >= 0:
            self.loop.remove_reader(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1
        if self.process is not None:
            for pipe in _pipes(self.process):
                if not pipe.closed:
                    self.loop.remove_reader(pipe.fileno())
                    pipe.close()

    def _fail(self, text: str) -> None:
        self.release()
        if self.process is not None and self.process.returncode is None:
            # Started, but without a free descriptor to watch it.
            self._signal(signal.SIGKILL)
            self.process.wait()
        took = Timings(monotonic() - self.began)
        result = Result(State.UNKNOWN, text, timings=took, failure=LocalError(text))
        self.loop.call_soon(self._report, result)
        self.loop.call_soon(self.ended, self)

    def _report(self, result: Result) -> None:
        done, self.done = self.done, None
        if done is not None:
            done(result)


def _file_of(given: bytes) -> int:
    """Returns a descriptor for standard input: a file in memory, because writing to a pipe could block."""
    if not given:
        return subprocess.DEVNULL
    descriptor = os.memfd_create("given", os.MFD_CLOEXEC)
    os.write(descriptor, given)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _pipes(process: subprocess.Popen[bytes]) -> Iterator[IO[bytes]]:
    return (pipe for pipe in (process.stdout, process.stderr) if pipe is not None)


def _result(name: str, code: int, output: bytes, errors: bytes, *, seconds: float) -> Result:
    """Returns the result from exit code and first line; a code beyond 0 to 3 and death by a signal are UNKNOWN.

    Exit code 1 without standard output is UNKNOWN too: a plugin that warns prints why, a script that breaks does not. A
    program that did not run, crashed or was ended by others checked no peer: its failure is a LocalError.
    """
    failure = None
    line = next((one for one in (output or errors).splitlines() if one.strip()), b"").partition(b"|")[0].strip()
    state = State(code) if 0 <= code <= 3 and (code != State.WARNING or output.strip()) else State.UNKNOWN
    text = printable(line) or f"{printable(name, 100)} {state} - it printed nothing"
    if code < 0:
        text = f"{printable(name, 100)} UNKNOWN - ended by {_signal_name(-code)}"
        failure = LocalError(text) if -code in _NO_ANSWER else None
    elif code in _NOT_RUN:
        text = f"{printable(name, 100)} UNKNOWN - exit code {code}, which stands for {_NOT_RUN[code]}: {text}"
        failure = LocalError(text)
    elif code and not output.strip() and (reason := trouble(name) or unread(name, errors)):
        # The script was removed before its interpreter had read it, or the interpreter may not read it.
        text, state = reason, State.UNKNOWN
        failure = LocalError(text)
    elif code > 3:
        text = f"{printable(name, 100)} UNKNOWN - exit code {code}: {text}"
    transcript = tuple(printable(one) for one in output.splitlines()[1:])
    return Result(state, text, timings=Timings(seconds), failure=failure, transcript=transcript)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
