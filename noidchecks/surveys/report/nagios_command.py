"""Delivers results through the external command file of Nagios, a named pipe with one command per line."""

from __future__ import annotations

import errno
import os
import select
import stat

from ..destination import Outcome, Report
from .nagios import escaped_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .record import Record

# A write of at most PIPE_BUF bytes is atomic: it is never interleaved with writes of other processes.
_PIPE_BUF = select.PIPE_BUF
_PATIENCE = 1.0  # seconds for a reader to make room


class NagiosCommand(Report):
    """Writes commands PROCESS_SERVICE_CHECK_RESULT, as many per write as fit into an atomic one.

    The pipe is opened again when Nagios has created another one. Commands in the pipe when Nagios ends are lost without
    notice; the spool folder loses none.
    """

    batch = 500
    pause = 0.2

    def __init__(self, path: str) -> None:
        self._path = path
        self._pipe = -1

    def pack(self, record: Record) -> bytes:
        """Returns one command, with its line end."""
        head = (
            f"[{int(record.finished)}] PROCESS_SERVICE_CHECK_RESULT;{record.host};{record.service};{int(record.state)};"
        ).encode()
        return head + escaped_output(record, _PIPE_BUF - len(head) - 1) + b"\n"

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Writes as many commands as the pipe accepts."""
        commands = [self.pack(record) for record in records]
        done = 0
        while done < len(commands):
            count, data = _one_write(commands, done)
            trouble = self._write(data)
            if trouble:
                return Outcome(records[done:], f"{self._path}: {trouble}")
            done += count
        return Outcome()

    def close(self) -> None:
        """Closes the pipe."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _write(self, data: bytes) -> str:
        """Writes all of the data or nothing; returns the reason of a failure, "" for success."""
        for _ in range(2):
            try:
                self._open()
                if not self._has_room():
                    return "is full: Nagios does not read it"
                os.write(self._pipe, data)
            except BrokenPipeError:
                # Nagios has closed this pipe, and may have created another one.
                self.close()
            except BlockingIOError:
                return "is full: Nagios does not read it"
            except OSError as error:
                self.close()
                return "no process reads it" if error.errno == errno.ENXIO else str(error.strerror)
            else:
                return ""
        return "no process reads it"

    def _open(self) -> None:
        if self._pipe >= 0 and not self._is_the_same():
            self.close()
        if self._pipe < 0:
            # Without O_NONBLOCK, open() would wait for a reader.
            pipe = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
                os.close(pipe)
                raise OSError(0, "is not a pipe")
            self._pipe = pipe

    def _is_the_same(self) -> bool:
        ours, there = os.fstat(self._pipe), os.stat(self._path)
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def _has_room(self) -> bool:
        # poll() reports a pipe as writable when PIPE_BUF bytes fit.
        poll = select.poll()
        poll.register(self._pipe, select.POLLOUT)
        return bool(poll.poll(_PATIENCE * 1000))


def _one_write(commands: Sequence[bytes], begin: int) -> tuple[int, bytes]:
    length = 0
    end = begin
    while end < len(commands) and (end == begin or length + len(commands[end]) <= _PIPE_BUF):
        length += len(commands[end])
        end += 1
    return end - begin, b"".join(commands[begin:end])
