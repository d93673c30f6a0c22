"""The survey of the soak: one `noidchecks survey` without end, and what takes its results as Nagios does."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from integration.bench.soak.lab import SoakLab, flapping

EVERY = 30
# Longer than the pauses between two attempts to deliver, of at most 30 seconds.
_PATIENCE = 600.0
_NOIDCHECKS = Path(sys.executable).parent / "noidchecks"
_RESULT = re.compile(rb"^host_name=(.*)$", re.MULTILINE)


class Survey:
    """A running survey of all backends that fail by turns; counts the results of each, and what it says."""

    def __init__(self, lab: SoakLab, before: tuple[str, ...] = ()) -> None:
        self._lab = lab
        self.folder = lab.folder / "spool"
        self.folder.mkdir()
        lab.balancer.run(("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(self.folder)))
        (self.folder / "results").mkdir()
        targets = lab.folder / "targets"
        targets.write_text("".join(f"{one}\tFTP\tcheck_ftp -H {one} -t 3\n" for one in flapping()))
        self._words = [
            *(*before, str(_NOIDCHECKS), "survey", str(targets), "--over", f"{EVERY}s", "--every", f"{EVERY}s"),
            *("--report", f"nagios-spool={self.folder}/results", "--report", f"prometheus={self.folder}/metrics.prom"),
            *("--report", "lines"),
        ]
        self._printed: Counter[str] = Counter()
        self._results: Counter[str] = Counter()
        self.said: Counter[str] = Counter()
        self.taken = self.lives = 0
        self.wrong: list[str] = []
        self._taking = threading.Lock()
        self.start()

    def start(self) -> None:
        """Starts it, again when it has ended."""
        self._results.clear()
        self._printed.clear()
        self.lives += 1
        self.process = self._lab.balancer.popen(self._words)
        self._readers = [threading.Thread(target=work, args=(self.process,)) for work in (self._count, self._hear)]
        for reader in self._readers:
            reader.start()

    def kill(self) -> None:
        """Ends it as a crash would: what it held in memory is lost, which the documentation says."""
        self._end(signal.SIGKILL)
        self.take()
        # What has no .ok was never released.
        for file in (self.folder / "results").iterdir():
            file.unlink()

    def stop(self) -> None:
        """Ends it as systemd would, takes the last results, and complains when some are missing."""
        if self.process.poll() is None:
            self._end(signal.SIGTERM)
            self.compare("the end of the survey")
        self._lab.balancer.run(("umount", "-l", str(self.folder)))

    def take(self) -> None:
        """Takes the results as Nagios does, and counts them."""
        with self._taking:
            for ready in (self.folder / "results").glob("*.ok"):
                file = ready.with_suffix("")
                found = [name.decode() for name in _RESULT.findall(file.read_bytes())]
                self._results.update(found)
                self.taken += len(found)
                file.unlink()
                ready.unlink()

    def compare(self, what: str) -> int:
        """Waits until all results that were printed have arrived in the spool folder too; returns how many have not."""
        end, printed = time.monotonic() + _PATIENCE, Counter(self._printed)
        while (missing := (printed - self._results).total()) and time.monotonic() < end:
            time.sleep(0.1)
            self.take()
        if missing:
            self.wrong.append(f"{what}: {missing} results of the survey are missing")
        return missing

    def pids(self) -> Mapping[str, int]:
        """Returns its process id by name."""
        return {"survey": self.process.pid} if self.process.poll() is None else {}

    def _end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(_PATIENCE)
        for reader in self._readers:
            reader.join()

    def _count(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._printed[line.partition("\t")[0]] += 1

    def _hear(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.said[re.sub(r"\d[\d.]*", "N", line.strip())] += 1
