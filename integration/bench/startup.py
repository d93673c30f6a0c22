"""One plain check_ftp as a process, beside the bare interpreter and the C plugin, interleaved in one run."""

from __future__ import annotations

import sys
from pathlib import Path

from integration.bench.greeter import greeter
from integration.bench.measure import BIN, C_PLUGINS, Cost, medians, run

ROUNDS = 60


def main() -> None:
    """Prints medians and ratios."""
    with greeter(core=1) as port:
        target = ["-H", "127.0.0.1", "-p", str(port)]
        commands: dict[str, list[str | Path]] = {
            "python -I -c pass": [sys.executable, "-I", "-c", "pass"],
            "check_ftp": [BIN / "check_ftp", *target],
            "C check_ftp": [C_PLUGINS / "check_ftp", *target],
        }
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                costs[name].append(run(command, core=0))
    base = medians(costs["python -I -c pass"])
    print(f"{'':20} {'wall ms':>8} {'CPU ms':>8} {'x bare wall':>12} {'x bare CPU':>11}")
    for name in commands:
        wall, cpu = medians(costs[name])
        print(f"{name:20} {wall * 1e3:8.2f} {cpu * 1e3:8.2f} {wall / base[0]:12.2f} {cpu / base[1]:11.2f}")


if __name__ == "__main__":
    main()
