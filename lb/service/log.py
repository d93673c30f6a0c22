"""The log of the service: lines that a thread writes, so that a reader who is slow or gone delays nobody."""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue

_WAITING = 5000
_PATIENCE = 2.0


class LineWriter:
    """Writes lines to a file descriptor; what does not fit into its queue is dropped, and the number is told."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Takes a line, and returns at once."""
        if self._lines.qsize() >= _WAITING:
            self._dropped += 1
            return
        if self._dropped:
            self._lines.put(f"noidlb: {self._dropped} lines of the log were dropped: nobody read them")
            self._dropped = 0
        self._lines.put(line)

    def close(self) -> None:
        """Writes what waits, as far as it is taken soon."""
        self._lines.put(None)
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                unsent = memoryview(f"{line}\n".encode(errors="backslashreplace"))
                while unsent:
                    unsent = unsent[os.write(self._descriptor, unsent) :]
            except OSError:
                # Nobody reads any more: guarding goes on.
                continue
