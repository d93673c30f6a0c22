"""A running `noidlb guard`, what it prints, and the operator who speaks to it with other runs of noidlb."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from noidlb.events import Event, from_dict

from integration.lab import Lab
from integration.lab.namespace import PATIENCE
from integration.lb.balance import NOIDLB


class Serving:
    """Starts it in the balancer; `before` are words that start it, such as those of setpriv(1).

    It has a service manager: the messages of sd_notify are in `told`.
    """

    def __init__(self, lab: Lab, folder: Path, farms: str, *options: str, before: tuple[str, ...] = ()) -> None:
        self._lab = lab
        self.folder = folder
        self.file = folder / "farms.toml"
        self.file.write_text(farms)
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self._words = (*before, str(NOIDLB), "guard", "--log", "json", *options, str(self.file))
        self.events: list[Event] = []
        self.told: list[str] = []
        self._news = threading.Condition()
        self._environment = {**os.environ, "NOIDLB_STATE": str(self.state)}
        self.start()

    def start(self) -> None:
        """Starts it, again if it has ended; nothing is told then yet."""
        self.told.clear()
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        self._manager.bind(str(path))
        path.chmod(0o666)
        environment = {**self._environment, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1500000"}
        self.process = self._lab.balancer.popen(self._words, stderr=subprocess.STDOUT, env=environment)
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._hear)]
        for reader in self._readers:
            reader.start()

    def noidlb(self, *words: str, code: int | None = 0) -> str:
        """Runs noidlb as an operator does, and returns what it prints."""
        done = self._lab.balancer.run((NOIDLB, *words), check=False, env=self._environment)
        assert code is None or done.returncode == code, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait(self, kind: str, *backends: str, after: int = 0) -> list[Event]:
        """Waits for an event of a kind, about each of the backends where they are named; after skips so many."""
        found: dict[str, Event] = {}

        def complete() -> bool:
            for event in self.events[after:]:
                if event.kind == kind:
                    found.setdefault(event.backend if backends else "", event)
            return set(backends or ("",)) <= set(found)

        with self._news:
            if not self._news.wait_for(complete, PATIENCE):
                raise TimeoutError(f"no {kind} of {backends}: {self.events}")
        return [found[name] for name in backends or ("",)]

    def wait_told(self, message: str, times: int = 1) -> None:
        """Waits until the service manager has heard it so often."""
        with self._news:
            if not self._news.wait_for(lambda: self.told.count(message) >= times, PATIENCE):
                raise TimeoutError(f"no {message}: {self.told}, {self.events}")

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ends it as systemd would, and returns the exit code."""
        if self.process.poll() is None:
            self._end(signal.SIGTERM)
        return self.process.returncode

    def _end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = from_dict(json.loads(line)) if line.startswith("{") else Event(time=time.time(), kind=line.strip())
            with self._news:
                self.events.append(event)
                self._news.notify_all()

    def _hear(self) -> None:
        self._manager.settimeout(0.1)
        with self._manager:
            while True:
                try:
                    message = self._manager.recv(4096).decode()
                except TimeoutError:
                    if self.process.poll() is not None:
                        return
                    continue
                with self._news:
                    self.told.append(message)
                    self._news.notify_all()
