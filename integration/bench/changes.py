"""Reloads and single changes while connections are opened through the farm that they change: none may fail."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from ctypes import Array, c_uint64
from dataclasses import dataclass, field
from multiprocessing import RawArray
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from noidlb.config.load import parse
from noidlb.farm import BackendState, Condition
from noidlb.nft.compile import compile_table
from noidlb.nft.nft import NftSession
from noidlb.nft.table import Table, transactions

from integration.bench.load import Address, connect, listening, serving, working
from integration.bench.measure import BIN
from integration.bench.stopwatch import timed, timed_run
from integration.lab import Lab, vip

CONNECTIONS = 200_000
RELOADS = 100
SINGLES = 2_000
FARMS = 20
WORKERS = 6
PORT = 7000
# What every farm becomes, one after the other: each of them has other slots, chains or limits than the one before.
KINDS = (
    "",
    "weights",
    'scheduler = "source-hash"',
    'sticky = "1m"',
    'scheduler = "random"\nconnection-limit = 5000',
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A farms file, and the tables that it leads to: as it is, and with a backend of the first farm down."""

    file: Path
    table: Table
    without: tuple[Table, ...]


@dataclass(slots=True)
class Changes:
    """How long they took, in milliseconds."""

    reloads: list[float] = field(default_factory=list)
    singles: list[float] = field(default_factory=list)


def main() -> None:
    """Prints what failed, and ends with an error then; an argument is the number of connections, at least."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else CONNECTIONS
    share = min(1.0, wanted / CONNECTIONS)
    reloads, singles = max(2, round(RELOADS * share)), max(40, round(SINGLES * share))
    print(f"load average {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(dir="/run") as name, Lab(ftp=(), tftp=(), ssh=False) as lab:
        lab.mode = "dnat"
        configurations = [_configure(lab, Path(name), kind) for kind in range(len(KINDS))]
        state = str(Path(name) / "state")
        with listening(lab.backends, PORT) as listeners, serving("greeting", listeners):
            with lab.balancer.entered():
                timed_run([], BIN / "noidlb", "apply", configurations[0].file, "--state-dir", state)
            done = RawArray(c_uint64, WORKERS + 1)
            begin = time.monotonic()
            with working(lab.client, WORKERS, _connect, [(vip(4), PORT)], done) as pipes:
                changes = _change(lab, configurations, state, done, wanted, reloads, singles)
                # The last element tells them to stop.
                done[WORKERS] = 1
                wrong = sum((pipe.recv() for pipe in pipes), Counter[str]())
            seconds = time.monotonic() - begin
        with lab.balancer.entered():
            last = configurations[reloads % len(configurations)].file
            found = timed_run([], BIN / "noidlb", "diff", last, "--state-dir", state)
    total = sum(done[:WORKERS])
    print(f"{total} connections in {seconds:.1f} s through one of {FARMS} farms, mode dnat, and meanwhile {reloads}")
    print(f"reloads that each change every farm, and {len(changes.singles)} single changes of that farm on an open nft")
    print(f"noidlb apply, the whole process  {median(changes.reloads):8.2f} ms, at most {max(changes.reloads):.2f}")
    print(f"NftSession.run                   {median(changes.singles):8.2f} ms, at most {max(changes.singles):.2f}")
    print(f"noidlb diff afterwards: {found.strip()}")
    print(f"load average {os.getloadavg()[0]:.2f}")
    print(f"failed: {sum(wrong.values())} {dict(wrong) or ''}")
    if wrong:
        sys.exit(1)


def _configure(lab: Lab, folder: Path, kind: int) -> Configuration:
    lines = []
    for number in range(FARMS):
        lines += [f"[farms.f{number}]", 'protocol = "tcp"', f'vip = "{vip(4, number)}"', f"ports = [{PORT}]"]
        lines.append('mode = "dnat"')
        if KINDS[kind] != "weights":
            lines.append(KINDS[kind])
        for count, backend in enumerate(lab.backends, 1):
            lines += [f"[[farms.f{number}.backends]]", f'name = "b{count}"', f'address = "{backend.address(4)}"']
            if KINDS[kind] == "weights":
                lines.append(f"weight = {count}")
    text = "\n".join(lines)
    file = folder / f"{kind}.toml"
    file.write_text(text)
    farms = parse(text).farms
    downs = ({("f0", backend.name): Condition(BackendState.DOWN)} for backend in farms[0].backends)
    return Configuration(file, compile_table(farms), tuple(compile_table(farms, down) for down in downs))


def _change(
    lab: Lab,
    configurations: Sequence[Configuration],
    state: str,
    done: Array[c_uint64],
    wanted: int,
    reloads: int,
    singles: int,
) -> Changes:
    """Makes the changes, spread over the wanted connections; returns when both are over."""
    changes = Changes()
    with lab.balancer.entered(), closing(NftSession()) as session:
        for number in range(1, reloads + 1):
            configuration = configurations[number % len(configurations)]
            timed_run(changes.reloads, BIN / "noidlb", "apply", configuration.file, "--state-dir", state)
            # Pairs, after which everything is as it was applied.
            for pair in range(singles // reloads // 2):
                without = configuration.without[pair % len(configuration.without)]
                for old, new in ((configuration.table, without), (without, configuration.table)):
                    (batch,) = transactions(old, new)
                    with timed(changes.singles):
                        session.run(batch)
            while sum(done[:WORKERS]) < wanted * number / reloads:
                time.sleep(0.001)
    return changes


def _connect(pipe: Connection, number: int, targets: Sequence[Address], done: Array[c_uint64]) -> None:
    wrong = Counter[str]()
    while not done[WORKERS]:
        if trouble := connect(targets[number % len(targets)], greeting=True):
            wrong[trouble] += 1
        done[number] += 1
    pipe.send(wrong)


if __name__ == "__main__":
    main()
