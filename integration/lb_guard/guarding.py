"""A guardian in the lab's balancer, and what it reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Self

from noidlb.events import Event, from_dict

from integration.lab import Lab
from integration.lab.namespace import PATIENCE

_PROGRAM = (sys.executable, "-P", "-m", "integration.lb_guard.guarded")


class Guarding:
    """Starts a guardian for the text of a farms file; `events` is what it has reported so far.

    `path` is a folder of programs that it finds before those of the system.
    """

    def __init__(self, lab: Lab, farms: str, path: str = "") -> None:
        self._lab = lab
        self._environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
        self._file = Path(tempfile.mkdtemp(dir=lab.folder)) / "farms.toml"
        self._file.write_text(farms)
        self.events: list[Event] = []
        self._news = threading.Condition()
        self._start()

    def wait(self, kind: str, backend: str = "", *, after: int = 0) -> Event:
        """Waits for the first event of a kind, about a backend where one is named; `after` skips so many events."""
        return self.wait_all(kind, backend, after=after)[0]

    def wait_all(self, kind: str, *backends: str, after: int = 0) -> list[Event]:
        """Waits for an event of a kind about each of the backends."""
        found: dict[str, Event] = {}

        def complete() -> bool:
            for event in self.events[after:]:
                if event.kind == kind:
                    found.setdefault("" if backends == ("",) else event.backend, event)
            return set(backends) <= set(found)

        with self._news:
            if not self._news.wait_for(complete, PATIENCE):
                raise TimeoutError(f"no {kind} of {backends}: {self.events}")
        return [found[name] for name in backends]

    def reload(self, farms: str) -> None:
        """Gives it another farms file."""
        self._file.write_text(farms)
        self._process.send_signal(signal.SIGHUP)

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it as systemd would."""
        if self._process.poll() is None:
            self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Starts it again."""
        self._start()

    def children(self) -> list[int]:
        """Returns the programs that it has running."""
        pid = self._process.pid
        found = Path("/proc", str(pid), "task").glob("*/children")
        return [int(word) for file in found for word in file.read_text().split()]

    def _start(self) -> None:
        self._process = self._lab.balancer.popen(
            (*_PROGRAM, self._file), stderr=subprocess.STDOUT, env=self._environment
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,))
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            event = from_dict(json.loads(line)) if line.startswith("{") else Event(time=time.time(), kind=line)
            with self._news:
                self.events.append(event)
                self._news.notify_all()

    def _end(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        self._reader.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
