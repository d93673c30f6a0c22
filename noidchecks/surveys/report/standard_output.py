"""Writes results to standard output: tab-separated lines, or JSON lines."""

from __future__ import annotations

import json
from contextlib import nullcontext

from ...descriptors import write_some
from ...status.text import printable
from ..destination import Outcome, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from .record import Record


class StandardOutput(Report):
    """The common part of both formats. After the reader has closed the pipe, all results are refused.

    A write may succeed for only the beginning of a line, for example on a full disk. The next delivery then begins with
    the rest of that line. Until then its record is left in the queue, so that it is counted as delivered only when the
    line is complete, and stored in the journal otherwise.
    """

    def __init__(self, around: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._around = around
        self._gone = False
        # The record whose line is incomplete, and the rest of the line.
        self._begun: Record | None = None
        self._rest = b""

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Writes as many lines as standard output accepts."""
        lines = [self.pack(record) for record in records]
        # The line is completed even if the queue has dropped its record.
        lines[0] = self._rest if records[0] is self._begun else self._rest + lines[0]
        written, trouble = self._write(b"".join(lines))
        whole = 0
        while whole < len(lines) and written >= len(lines[whole]):
            written -= len(lines[whole])
            whole += 1
        if written:
            self._begun, self._rest = records[whole], lines[whole][written:]
        elif whole:
            self._begun, self._rest = None, b""
        if self._gone:
            return Outcome(refused=[("everything", "no process reads it any more")] * (len(records) - whole))
        return Outcome(records[whole:], trouble)

    def _write(self, data: bytes) -> tuple[int, str]:
        """Writes the data; returns the number of bytes written and the reason why the rest was not."""
        left = memoryview(data)
        trouble = ""
        try:
            with self._around():
                while left and not self._gone:
                    left = left[write_some(1, left) :]
        except BrokenPipeError:
            self._gone = True
        except OSError as error:
            trouble = printable(error.strerror or str(error))
        return len(data) - len(left), trouble

    def pack(self, record: Record) -> bytes:
        """Returns the line of one result."""
        raise NotImplementedError


class Lines(StandardOutput):
    """Host, service, exit code and output, separated by tabs, as send_nsca reads them.

    Line ends in the output are written `\\n`, and backslashes are doubled.
    """

    def pack(self, record: Record) -> bytes:
        """Returns one line."""
        output = record.output(record.text).replace("\\", "\\\\").replace("\n", "\\n")
        line = f"{record.host}\t{record.service}\t{int(record.state)}\t{output}\n"
        return line.encode(errors="backslashreplace")


class JsonLines(StandardOutput):
    """A JSON object per line: that of the plugins' `--output-format json`, preceded by names and times."""

    def pack(self, record: Record) -> bytes:
        """Returns one line."""
        names = {
            "host": record.host,
            "service": record.service,
            "started": round(record.started, 6),
            "finished": round(record.finished, 6),
        }
        return f"{json.dumps(names | record.details)}\n".encode()
