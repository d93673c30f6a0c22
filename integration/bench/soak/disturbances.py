"""What happens to guardian and survey in the soak, and how each of them is set right; all but the kills."""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from integration.bench.soak.backends import Backends
from integration.bench.soak.guardian import Operated
from integration.bench.soak.lab import SoakLab
from integration.bench.soak.ledger import Troubles
from integration.bench.soak.survey import Survey

_HOUR, _WEEK = 3600, 7 * 86400
_OUTAGE, _PAUSE, _FULL = 6.0, 3.0, 3.0
# The store of words tries every 10 s.
_RETRIED = 600.0


class Clock:
    """The wall clock of guardian and survey, which can be set; the other clocks go on.

    Time namespaces move the monotonic clock and that of the boot, and libfaketime also the processor time of threads,
    hence a library of our own (clock.c), which is preloaded.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._file.write_bytes(bytes(8))
        library = folder / "clock.so"
        self.words: tuple[str, ...] = ()
        """The words before a command that gets this clock; none without a compiler."""
        source = Path(__file__).with_name("clock.c")
        try:
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.trouble = f"no clock jumps: no library can be compiled ({error})"
        else:
            self.trouble = ""
            self.words = ("env", f"LD_PRELOAD={library}", f"SOAK_CLOCK={self._file}")

    def set(self, seconds: int) -> None:
        """Sets it so many seconds before or after the true time, at once."""
        with open(self._file, "r+b") as file:
            file.write(struct.pack("q", seconds))


class Disturbances:
    """Each kind does its harm, and takes back what it must; `kinds` holds them by name."""

    def __init__(
        self,
        lab: SoakLab,
        clock: Clock,
        operated: Operated,
        survey: Survey,
        backends: Backends,
        troubles: Troubles,
        chance: random.Random,
    ) -> None:
        self._lab, self._clock, self._operated, self._survey = lab, clock, operated, survey
        self._backends, self._troubles, self._chance = backends, troubles, chance
        self.kinds: Mapping[str, Callable[[], int]] = {
            "words alone": self._words_alone,
            "reload by SIGHUP": lambda: self._reload(by_signal=True),
            "reload by command": lambda: self._reload(by_signal=False),
            "reload of a broken file": self._broken,
            "nft: table deleted": lambda: self._nft("delete table inet noidlb"),
            "nft: ruleset flushed": lambda: self._nft("flush ruleset"),
            "nft: map of slots flushed": lambda: self._nft("flush map inet noidlb slot4"),
            "nft: chain flushed": lambda: self._nft("flush chain inet noidlb dispatch"),
            "nft: services flushed": lambda: self._nft(
                "flush map inet noidlb service4; flush map inet noidlb service6"
            ),
            "its nft killed": self._kill_nft,
            "state disk full": self._full,
            "guardian stopped 3 s": self._stop,
            "all 500 fail at once": self._outage,
            "operators that vanish": self._vanish,
            "survey: reload": self._survey_reload,
            "survey: disk full": self._survey_full,
        }
        if clock.words:
            self.kinds = {
                **self.kinds,
                "clock an hour ahead": lambda: self._jump(_HOUR),
                "clock an hour back": lambda: self._jump(-_HOUR),
                "clock a week ahead": lambda: self._jump(_WEEK),
                "clock a week back": lambda: self._jump(-_WEEK),
            }

    def _words_alone(self) -> int:
        for _ in range(5):
            self._operated.say_something()
        return 0

    def _reload(self, *, by_signal: bool) -> int:
        self._operated.reload(by_signal=by_signal)
        self._operated.say_something()
        return 0

    def _broken(self) -> int:
        file = self._operated.serving.file
        file.write_text(self._operated.text + "[farms.steady]\n")
        self._operated.serving.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        file.write_text(self._operated.text)
        return 0

    def _nft(self, command: str) -> int:
        # Until the caller has seen that the table is right.
        self._troubles.begin(f"nft: {command.split(';')[0]}", time.monotonic())
        self._lab.balancer.run(("nft", "-f", "-"), stdin=command.replace("; ", "\n") + "\n")
        return 0

    def _kill_nft(self) -> int:
        pid = self._operated.pids().get("its nft")
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return 0

    def _full(self) -> int:
        with filled(self._operated.serving.state):
            for _ in range(3):
                self._operated.say_something()
            time.sleep(_FULL)
            wrong = self._operated.compare_words("while the disk is full")
        return wrong + self._operated.compare_disk("after the disk was full", _RETRIED)

    def _stop(self) -> int:
        self._operated.serving.process.send_signal(signal.SIGSTOP)
        time.sleep(_PAUSE)
        self._operated.serving.process.send_signal(signal.SIGCONT)
        return 0

    def _outage(self) -> int:
        trouble = self._troubles.begin("all 500 fail at once", time.monotonic(), is_everywhere=False)
        self._backends.fail_all()
        time.sleep(_OUTAGE)
        self._backends.calm()
        # Its farms refuse their clients until the checks of `rise` have passed.
        is_over = self._operated.serves_everywhere()
        trouble.end = time.monotonic()
        return int(not is_over)

    def _vanish(self) -> int:
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(str(self._operated.serving.state / "control"))
                one.send(self._chance.choice((b"", b'{"do": "sta', b'{"do": "status"}\n', b"\xff\n")))
        return 0

    def _jump(self, seconds: int) -> int:
        self._clock.set(seconds)
        time.sleep(2.5)
        self._operated.say_something()
        wrong = self._operated.compare_words("while the clock is wrong")
        self._clock.set(0)
        time.sleep(0.5)
        return wrong

    def _survey_reload(self) -> int:
        self._survey.process.send_signal(signal.SIGHUP)
        return self._survey.compare("a reload of the survey")

    def _survey_full(self) -> int:
        with filled(self._survey.folder):
            time.sleep(2 * _FULL)
        return self._survey.compare("after the survey's disk was full")


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fills the disk of a folder with one file until the block ends."""
    ballast = folder / "ballast"
    piece = bytes(4096)
    try:
        with open(ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(piece)
            except OSError:
                # No space left.
                pass
        yield
    finally:
        ballast.unlink()
