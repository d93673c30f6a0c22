"""What the programs of a machine report: a line of JSON for each step, over the second serial line."""

from __future__ import annotations

import json
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

PORT = "/dev/ttyS1"
_JOURNAL = ("journalctl", "-b", "-n", "60", "--no-pager", "-o", "short-monotonic")


class Report:
    """Writes the outcome of each step; one that fails ends only itself."""

    def __init__(self, port: TextIO) -> None:
        self._port = port
        self.failures = 0

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Reports `name` as done, or as failed with the error and the journal's end.

        It yields what adds words of its own to the line.
        """
        begin = time.monotonic()
        words: list[str] = []
        failed = None
        try:
            yield words.append
        except Exception:
            journal = subprocess.run(_JOURNAL, stdout=subprocess.PIPE, text=True).stdout
            failed = f"{traceback.format_exc()}\n{journal}"
            self.failures += 1
        self._write({"name": name, "said": f"{'; '.join(words)} ({time.monotonic() - begin:.1f} s)", "failed": failed})

    def end(self) -> None:
        """Reports that all has been said."""
        self._write({"name": "end"})

    def _write(self, line: dict[str, str | None]) -> None:
        self._port.write(json.dumps(line) + "\n")
        self._port.flush()
