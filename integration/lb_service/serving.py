"""A running `noidlb guard`, its service manager, and the operator who speaks to it with other runs of noidlb."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from integration.lab.namespace import PATIENCE
from integration.lb.balance import NOIDLB
from integration.lb_guard.process import GuardianProcess, HasBalancer


class Serving(GuardianProcess):
    """Starts it in the balancer; `before` are words that start it, such as those of setpriv(1).

    It has a service manager: the messages of sd_notify are in `told`.
    """

    def __init__(self, lab: HasBalancer, folder: Path, farms: str, *options: str, before: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.file = folder / "farms.toml"
        self.file.write_text(farms)
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self._notify = folder / "notify"
        self.told: list[str] = []
        words: list[str | Path] = [*before, NOIDLB, "guard", "--log", "json", *options, self.file]
        self._operators = {**os.environ, "NOIDLB_STATE": str(self.state)}
        managed = {"NOTIFY_SOCKET": str(self._notify), "WATCHDOG_USEC": "1500000"}
        super().__init__(lab, words, self._operators | managed)

    def start(self) -> None:
        """Starts it, again if it has ended; nothing is told then yet."""
        self.told.clear()
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.unlink(missing_ok=True)
        self._manager.bind(str(self._notify))
        self._notify.chmod(0o666)
        super().start()
        self._readers.append(threading.Thread(target=self._hear))
        self._readers[-1].start()

    def noidlb(self, *words: str, code: int | None = 0) -> str:
        """Runs noidlb as an operator does, and returns what it prints."""
        done = self._lab.balancer.run((NOIDLB, *words), check=False, env=self._operators)
        assert code is None or done.returncode == code, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait_told(self, message: str, times: int = 1) -> None:
        """Waits until the service manager has heard it so often."""
        with self._news:
            if not self._news.wait_for(lambda: self.told.count(message) >= times, PATIENCE):
                raise TimeoutError(f"no {message}: {self.told}, {self.events}")

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
