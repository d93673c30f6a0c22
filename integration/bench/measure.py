"""Running a command line and what it cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

BIN = Path(sys.executable).parent
C_PLUGINS = Path("/usr/lib/nagios/plugins")


class Cost:
    """What one run of a command took: wall and CPU seconds (its children included) and its largest memory in MiB."""

    def __init__(self, wall: float, cpu: float, memory: float, output: str) -> None:
        self.wall = wall
        self.cpu = cpu
        self.memory = memory
        self.output = output


def run(command: Sequence[str | Path], core: int | None = None, stdin: str = "") -> Cost:
    """Runs a command, pinned to a core if one is given, and returns what it cost."""

    def pin() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})

    begin = time.perf_counter()
    with subprocess.Popen(
        [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pin
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stdin)
        process.stdin.close()
        output = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    wall = time.perf_counter() - begin
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output)


def medians(costs: Sequence[Cost]) -> tuple[float, float]:
    """Returns the median wall and CPU seconds."""
    return statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs)
