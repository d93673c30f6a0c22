"""A guardian's process in the lab's balancer, and the events that it prints."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from noidlb.events import Event, from_dict

from integration.lab.namespace import PATIENCE, Namespace


class HasBalancer(Protocol):
    """A lab, or what stands for one."""

    @property
    def balancer(self) -> Namespace: ...


class GuardianProcess:
    """Starts a command that prints events as JSON; `events` is what it has printed, over all of its starts."""

    process: subprocess.Popen[str]

    def __init__(self, lab: HasBalancer, words: Sequence[str | Path], environment: Mapping[str, str] | None) -> None:
        self._lab = lab
        self._words, self._environment = words, environment
        self.events: list[Event] = []
        self._news = threading.Condition()
        self._readers: list[threading.Thread] = []
        self.start()

    def start(self) -> None:
        """Starts it, again if it has ended."""
        self.process = self._lab.balancer.popen(self._words, stderr=subprocess.STDOUT, env=self._environment)
        self._readers = [threading.Thread(target=self._read, args=(self.process,))]
        self._readers[0].start()

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

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ends it as systemd would, if it runs, and returns the exit code."""
        if self.process.poll() is None:
            self._end(signal.SIGTERM)
        return self.process.returncode

    def children(self) -> list[int]:
        """Returns the programs that it has running."""
        found = Path("/proc", str(self.process.pid), "task").glob("*/children")
        return [int(word) for file in found for word in file.read_text().split()]

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            event = from_dict(json.loads(line)) if line.startswith("{") else Event(time=time.time(), kind=line.strip())
            with self._news:
                self.events.append(event)
                self._news.notify_all()

    def _end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join()
