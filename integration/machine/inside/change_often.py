"""Changes a table of nftables thousands of times, as the guardian does; the arguments are task, farms and times."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time

from noidlb import NftApplier, load
from noidlb.farm import BackendState, Condition, Farm

_KINDS = ("", "weights", 'scheduler = "source-hash"', 'sticky = "1m"', 'scheduler = "random"\nconnection-limit = 5000')


def main(task: str, count: int, times: int) -> None:
    """Prints how long the changes took; a change that the kernel refuses ends it with an error."""
    by_chance = random.Random(7)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # What every farm becomes: each kind has other slots, chains or limits than the one before.
    kinds = [_farms(count, kind) for kind in (_KINDS if task == "reloads" else _KINDS[:1])]
    applier, farms, down = NftApplier(), kinds[0], frozenset[tuple[str, str]]()
    begin = time.monotonic()
    applier.apply(farms, {}, frozenset())
    print(f"all of {count} farms {time.monotonic() - begin:.1f} s;", end=" ")
    begin = time.monotonic()
    for _ in range(times):
        if task == "reloads":
            kept = by_chance.sample(range(count), by_chance.randint(1, count))
            farms = tuple(by_chance.choice(kinds)[index] for index in sorted(kept))
        # One backend more or less each time, so that each is a change.
        down ^= {(by_chance.choice(farms).name, f"b{by_chance.randint(1, 3)}")}
        applier.apply(farms, {backend: Condition(BackendState.DOWN) for backend in down}, frozenset())
    print(f"{times} changes, {(time.monotonic() - begin) / times * 1000:.1f} ms each;", end=" ")
    # Another process reads what the kernel has, and compares.
    found = NftApplier().apply(farms, {backend: Condition(BackendState.DOWN) for backend in down}, frozenset())
    if found.transactions:
        raise SystemExit(f"the table was not right at the end: {found}")
    print("the table is right")


def _farms(count: int, kind: str) -> tuple[Farm, ...]:
    """Returns farms of three backends each."""
    lines = []
    for number in range(count):
        lines += [f"[farms.f{number}]", 'protocol = "ftp"', f'vip = "192.0.{2 + number // 250}.{number % 250 + 1}"']
        lines += [kind] if kind != "weights" else []
        for backend in (1, 2, 3):
            address = f"10.{backend}.{number // 250}.{number % 250 + 1}"
            weight = f", weight = {backend}" if kind == "weights" else ""
            lines += [f"[[farms.f{number}.backends]]", f'name = "b{backend}"', f'address = "{address}"', weight[2:]]
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write("\n".join((*lines, "")))
        file.flush()
        return load(file.name).farms


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
