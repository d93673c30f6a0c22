"""The log of the service: a thread writes the lines, so that a slow or closed pipe does not block the guardian."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from noidchecks.descriptors import write_some

_WAITING = 5000
_PATIENCE = 2.0


class LineWriter:
    """Writes lines to a file descriptor; drops lines when 5,000 are waiting, and later logs their number."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queues a line without blocking."""
        if self._lines.qsize() >= _WAITING:
            self._dropped += 1
            return
        if self._dropped:
            self._lines.put(f"noidlb: {self._dropped} lines of the log were dropped, because the reader was too slow")
            self._dropped = 0
        self._lines.put(line)

    def close(self) -> None:
        """Writes the queued lines, for at most 2 s."""
        self._lines.put(None)
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                unsent = memoryview(f"{line}\n".encode(errors="backslashreplace"))
                while unsent:
                    unsent = unsent[write_some(self._descriptor, unsent) :]
            except OSError:
                # The reader has closed the pipe, which must not end the guardian.
                continue
