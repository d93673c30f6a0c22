"""Results on standard output: tab-separated lines, or JSON lines."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext

from ..destination import Outcome, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from .record import Record


class StandardOutput(Report):
    """What both formats share. A reader who has left does not come back: then everything is refused."""

    def __init__(self, around: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._around = around
        self._gone = False

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Writes all of them."""
        data = memoryview(b"".join(map(self.pack, records)))
        try:
            with self._around():
                while data and not self._gone:
                    data = data[os.write(1, data) :]
        except BrokenPipeError:
            self._gone = True
        if self._gone:
            return Outcome(refused=[("everything", "nobody reads it any more")] * len(records))
        return Outcome()

    def pack(self, record: Record) -> bytes:
        """Returns the line of one result."""
        raise NotImplementedError


class Lines(StandardOutput):
    """Host, service, exit code and output, parted by tabs: what send_nsca reads too.

    Line ends in the output are `\\n`, a backslash is doubled.
    """

    def pack(self, record: Record) -> bytes:
        """Returns one line."""
        output = record.output(record.text).replace("\\", "\\\\").replace("\n", "\\n")
        line = f"{record.host}\t{record.service}\t{int(record.state)}\t{output}\n"
        return line.encode(errors="backslashreplace")


class JsonLines(StandardOutput):
    """A JSON object a line: what `--output-format json` of the plugins prints, with names and times before it."""

    def pack(self, record: Record) -> bytes:
        """Returns one line."""
        names = {
            "host": record.host,
            "service": record.service,
            "started": round(record.started, 6),
            "finished": round(record.finished, 6),
        }
        return f"{json.dumps(names | record.details)}\n".encode()
