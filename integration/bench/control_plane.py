"""Loading farms and changing one backend: noidlb as a process and on an open nft, beside nftlb in the same run."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from noidlb.config.load import parse
from noidlb.farm import BackendState, Condition, Farm
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.table import Table, render, transactions

from integration.bench import nftlb
from integration.bench.measure import BIN
from integration.bench.services import fleet, nftlb_text, noidlb_text
from integration.bench.stopwatch import timed, timed_run
from integration.lab.namespace import Namespace

ROUNDS = 7
LARGE_ROUNDS = 3
PROCESS_CHANGES = 20
CHANGES = 400
CHANGED = "f0005"
DOWN = {(CHANGED, "b2"): Condition(BackendState.DOWN)}
LOAD_GOAL, LARGE_GOAL, CHANGE_GOAL, PROCESS_GOAL = 500.0, 1500.0, 2.0, 120.0

# In a process of its own, because a second compilation finds caches filled.
PARTS = """
import sys
from time import perf_counter
from pathlib import Path
times = [perf_counter()]
def part(result):
    times.append(perf_counter())
    return result
import noidlb.cli.main, noidlb.cli.apply
part(None)
from noidlb.nft import nft as kernel
from noidlb.config.load import parse
from noidlb.nft.compile import compile_table
from noidlb.nft.table import render
farms = part(parse(Path(sys.argv[1]).read_text()).farms)
table = part(compile_table(farms))
text = part(render(table))
part(kernel.read())
part(kernel.run(text))
print(*(1000 * (after - before) for before, after in zip(times, times[1:])), len(text) / 1000)
"""
PART_NAMES = ("imports", "TOML to farms", "compile", "nft text", "read the kernel", "nft -f", "kB of nft text")

Milliseconds = dict[str, list[float]]


def main() -> None:
    """Prints medians beside goals and the peer; `quick` as argument takes few rounds of small fleets."""
    quick = sys.argv[1:] == ["quick"]
    count, large, rounds = (50, 100, 2) if quick else (500, 5000, ROUNDS)
    print(f"load average {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(dir="/run") as name:
        folder = Path(name)
        _print_load(folder, count, rounds)
        _print_large(folder, large, 1 if quick else LARGE_ROUNDS)
        _print_change(folder, count)
        _print_session((10, count, large), count)
    print(f"load average {os.getloadavg()[0]:.2f}")


def _print_load(folder: Path, count: int, rounds: int) -> None:
    times: Milliseconds = defaultdict(list)
    ours, theirs = _write(folder, count, 3)
    for _ in range(rounds):
        _apply(folder, ours, times)
        with _network() as network, network.entered():
            timed_run(times["nftlb -e -c"], nftlb.NFTLB, "-e", "-c", theirs)
    print(f"\n{count} farms of 3 backends (FTP, snat), empty kernel, medians of {rounds} interleaved rounds")
    _print_apply(times, LOAD_GOAL)
    _print_row("nftlb -e -c, the whole process", times["nftlb -e -c"])
    print(f"  ratio nftlb / noidlb {median(times['nftlb -e -c']) / median(times['apply']):.1f}")


def _print_large(folder: Path, count: int, rounds: int) -> None:
    times: Milliseconds = defaultdict(list)
    ours, _ = _write(folder, count, 4)
    for _ in range(rounds):
        _apply(folder, ours, times)
    # nftlb numbers at most 4095 backends, and its time grows with the cube of the farms.
    print(f"\n{count} farms of 4 backends, medians of {rounds} rounds; nftlb cannot have so many")
    _print_apply(times, LARGE_GOAL)


def _apply(folder: Path, file: Path, times: Milliseconds) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as state:
        with _network() as network, network.entered():
            timed_run(times["apply"], BIN / "noidlb", "apply", file, "--state-dir", state)
        with _network() as network, network.entered():
            timed_run(times["start"], BIN / "noidlb", "--version")
            parts = timed_run([], sys.executable, "-P", "-c", PARTS, file).split()
    for part, value in zip(PART_NAMES, parts, strict=True):
        times[part].append(float(value))


def _print_apply(times: Milliseconds, goal: float) -> None:
    _print_row("noidlb apply, the whole process", times["apply"], goal)
    print(f"  apart: start and end (--version) {median(times['start']):.1f}, ", end="")
    print(", ".join(f"{part} {median(times[part]):.1f}" for part in PART_NAMES))


def _print_change(folder: Path, count: int) -> None:
    ours, theirs = _write(folder, count, 3)
    up, down = _tables(parse(ours.read_text()).farms)
    batches = {"down": _only(transactions(up, down)), "up": _only(transactions(down, up))}
    times: Milliseconds = defaultdict(list)
    with _network() as one, _network() as another, _network() as third:
        state = str(folder / "state")
        daemon = nftlb.Daemon(another, theirs)
        third.nft(render(up))
        with one.entered():
            timed_run([], BIN / "noidlb", "apply", ours, "--state-dir", state)
        for number in range(PROCESS_CHANGES):
            word = ("down", "up")[number % 2]
            with one.entered():
                timed_run(times["process"], BIN / "noidlb", word, CHANGED, "b2", "--state-dir", state)
            with one.entered():
                # What any program does to any table.
                timed_run([], "nft", "add table ip other; delete table ip other")
                back = ("up", "down")[number % 2]
                timed_run(times["reading"], BIN / "noidlb", back, CHANGED, "b2", "--state-dir", state)
                timed_run([], BIN / "noidlb", word, CHANGED, "b2", "--state-dir", state)
            timed_run(times["click"], sys.executable, "-P", "-c", "import click")
            with third.entered(), timed(times["nft -f"]):
                kernel.run(batches[word])
            with timed(times["nftlb"]):
                daemon.set_state(CHANGED, "b2", word)
    print(f"\none backend down or up at {count} farms, medians of {PROCESS_CHANGES}")
    _print_row("noidlb down|up, the whole process", times["process"], PROCESS_GOAL)
    _print_row("the same after another program changed a table", times["reading"])
    _print_row("python -c 'import click'", times["click"])
    _print_row("nft -f with that transaction", times["nft -f"])
    _print_row("nftlb, its HTTP interface", times["nftlb"])


def _print_session(counts: tuple[int, ...], peer: int) -> None:
    print(f"\none backend down or up on an nft that stays open, medians of {CHANGES}")
    for count in counts:
        farms = parse(noidlb_text(fleet(count, 3))).farms
        up, down = _tables(farms)
        batches = _only(transactions(up, down)), _only(transactions(down, up))
        times: Milliseconds = defaultdict(list)
        with _network() as network, closing(kernel.NftSession()) as session:
            network.nft(render(up))
            with network.entered():
                # nft starts with the first change, and belongs where it starts.
                session.run(batches[0])
                session.run(batches[1])
            for number in range(CHANGES):
                with timed(times["run"]):
                    session.run(batches[number % 2])
        size = f"{len(batches[0].encode())} bytes down, {len(batches[1].encode())} up"
        _print_row(f"{count} farms: NftSession.run, {size}", times["run"], CHANGE_GOAL if count == peer else None)
        _print_compilation(farms, times)


def _print_compilation(farms: tuple[Farm, ...], times: Milliseconds) -> None:
    one = next(farm for farm in farms if farm.name == CHANGED)
    old, alone = compile_table(farms), compile_table((one,))
    for _ in range(ROUNDS):
        with timed(times["compile"]):
            new = compile_table(farms, DOWN)
        with timed(times["diff"]):
            transactions(old, new)
        with timed(times["one"]):
            transactions(alone, compile_table((one,), DOWN))
    print(
        f"  compile all farms {median(times['compile']):.2f}, compare two tables {median(times['diff']):.2f}, "
        f"both for the changed farm alone {median(times['one']):.3f}"
    )


def _tables(farms: tuple[Farm, ...]) -> tuple[Table, Table]:
    """Returns the table with all backends up, and the one with a backend down."""
    return compile_table(farms), compile_table(farms, DOWN)


def _only(batches: list[str]) -> str:
    assert len(batches) == 1, f"{len(batches)} transactions for one change"
    return batches[0]


def _write(folder: Path, count: int, backends: int) -> tuple[Path, Path]:
    services = fleet(count, backends)
    ours, theirs = folder / "farms.toml", folder / "nftlb.json"
    ours.write_text(noidlb_text(services))
    theirs.write_text(nftlb_text(services))
    return ours, theirs


@contextmanager
def _network() -> Iterator[Namespace]:
    """Gives everybody an empty kernel: what one leaves behind would slow down the other."""
    network = Namespace("control-plane")
    try:
        network.ip("link set lo up")
        yield network
    finally:
        network.close()


def _print_row(name: str, times: list[float], goal: float | None = None) -> None:
    wanted = "" if goal is None else f"  goal {goal:g}: {'met' if median(times) <= goal else 'MISSED'}"
    print(f"{name:62} {median(times):9.2f} ms ({min(times):.2f} to {max(times):.2f}){wanted}")


if __name__ == "__main__":
    main()
