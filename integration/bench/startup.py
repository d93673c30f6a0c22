"""Commands as processes, interleaved in one run: a plain check_ftp beside the bare interpreter and the C plugin, and
the commands of noidlb that only print or ask a guardian, beside the import of click.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from integration.bench.greeter import greeter
from integration.bench.guarded import guarded
from integration.bench.measure import BIN, C_PLUGINS, Cost, medians, run

ROUNDS = 60

Commands = Mapping[str, Sequence[str | Path]]


def main() -> None:
    """Prints medians and ratios."""
    print(f"load average {os.getloadavg()[0]:.2f}")
    with greeter(core=1) as port:
        target = ["-H", "127.0.0.1", "-p", str(port)]
        _print(
            {
                "python -I -c pass": [sys.executable, "-I", "-c", "pass"],
                "check_ftp": [BIN / "check_ftp", *target],
                "C check_ftp": [C_PLUGINS / "check_ftp", *target],
            }
        )
    with tempfile.TemporaryDirectory() as name, guarded(1, Path(name)) as control:
        noidlb: str | Path = BIN / "noidlb"
        where: list[str | Path] = ["--socket", control]
        _print(
            {
                "python -c 'import click'": [sys.executable, "-P", "-c", "import click"],
                "noidlb --version": [noidlb, "--version"],
                "noidlb --help": [noidlb, "--help"],
                "noidlb drain, guardian": [noidlb, "drain", "ftp", "b1", *where],
                "noidlb status, guardian": [noidlb, "status", *where, "--run-dir", name],
            }
        )
    print(f"load average {os.getloadavg()[0]:.2f}")


def _print(commands: Commands) -> None:
    """Runs the commands in turn, and prints each beside the first."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            costs[name].append(run(command, core=0))
    base, *_ = (medians(of_one) for of_one in costs.values())
    print(f"\n{'':25} {'wall ms':>8} {'CPU ms':>8} {'x first wall':>12} {'x first CPU':>11} {'+ ms CPU':>9}")
    for name, of_one in costs.items():
        wall, cpu = medians(of_one)
        over = 1e3 * (cpu - base[1])
        print(f"{name:25} {wall * 1e3:8.2f} {cpu * 1e3:8.2f} {wall / base[0]:12.2f} {cpu / base[1]:11.2f} {over:9.2f}")


if __name__ == "__main__":
    main()
