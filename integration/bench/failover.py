"""How long a take-over keeps new sessions waiting, and how many running transfers outlive it.

integration/run .venv/bin/python -P -m integration.bench.failover [CRASHES]
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from integration.pair.farms import everything
from integration.pair.lab import Node, PairLab, paced, wait_for
from integration.pair.sessions import first_answer, first_block
from integration.pair.topology import VIP
from integration.pair.transfers import KINDS, Transfer, start_all

CRASHES = 20
RATE = "250mbit"
SETTLE = 1.0
_ASKED: dict[str, Callable[[PairLab, str, float], float]] = {
    "FTP": lambda lab, host, since: first_answer(lab.client, host, 21, since),
    "SFTP": lambda lab, host, since: first_answer(lab.client, host, 22, since),
    "TFTP": lambda lab, host, since: first_block(lab.client, host, since),
}


def main() -> None:
    """Prints both tables."""
    crashes = int(sys.argv[1]) if len(sys.argv) > 1 else CRASHES
    with PairLab() as lab:
        lab.boot(everything())
        _crashing(lab, crashes)
        _changing(lab, crashes)
        for version in (4, 6):
            _surviving(lab, version, crashes)


def _crashing(lab: PairLab, crashes: int) -> None:
    found = _nothing()
    for _ in range(crashes):
        node = lab.active
        with ThreadPoolExecutor(len(found)) as pool:
            since = time.monotonic()
            node.crash()
            asked = {key: pool.submit(_ASKED[key[0]], lab, VIP[key[1]], since) for key in found}
            for key, one in asked.items():
                found[key].append(one.result())
        _return(lab, node)
    _print(f"seconds from a crash to the first new session, {crashes} times", found)


def _changing(lab: PairLab, crashes: int) -> None:
    found = _nothing()
    for _ in range(crashes):
        node = lab.active
        with ThreadPoolExecutor(len(found) + 1) as pool:
            asked = {key: pool.submit(_longest_gap, lab, *key) for key in found}
            # Everybody has been answered once by then.
            time.sleep(0.5)
            pool.submit(node.leave).result()
            for key, one in asked.items():
                found[key].append(one.result())
        _return(lab, node)
    _print(f"longest time without a new session around a graceful change, {crashes} times", found)


def _longest_gap(lab: PairLab, name: str, version: int) -> float:
    gap, latest, end = 0.0, time.monotonic(), time.monotonic() + 3.0
    while latest < end:
        took = _ASKED[name](lab, VIP[version], latest)
        gap = max(gap, took)
        latest += took
        time.sleep(0.005)
    return gap


def _nothing() -> dict[tuple[str, int], list[float]]:
    return {(name, version): [] for version in (4, 6) for name in _ASKED}


def _print(title: str, found: dict[tuple[str, int], list[float]]) -> None:
    print(title)
    print(f"{'':10} {'min':>6} {'median':>6} {'max':>6}")
    for (name, version), seconds in found.items():
        print(f"{name} IPv{version}".ljust(10), *(f"{of(seconds):6.2f}" for of in (min, median, max)), flush=True)


def _surviving(lab: PairLab, version: int, crashes: int) -> None:
    survived: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for _ in range(crashes):
        node = lab.active
        transfers = [Transfer(lab, kind, version) for kind in KINDS]
        with paced([lab.client, *lab.backends], RATE):
            start_all(transfers, SETTLE)
            running = {one.kind for one in transfers if one.is_running}
            node.crash()
            for one in transfers:
                trouble = one.finish()
                # One that was over before the crash proves nothing.
                if one.kind in running or trouble:
                    counted[one.kind] += 1
                    survived[one.kind] += not trouble
                if trouble:
                    print(f"{one.kind} IPv{version}: {trouble[-300:]}", flush=True)
        _return(lab, node)
    print(f"transfers that were running at a crash, IPv{version}: how many arrived whole")
    for kind in KINDS:
        print(f"{kind:16} {survived[kind]:3} of {counted[kind]:3}", flush=True)


def _return(lab: PairLab, node: Node) -> None:
    """Brings a node back as the one that stands by."""
    wait_for(lambda: lab.other(node).has_vips() and lab.other(node).role == "master", "the other one to serve")
    if node.daemons:
        node.start_keepalived()
    else:
        node.boot(lab.folder / "farms.toml")
    wait_for(lambda: node.role == "backup", f"{node.name} to stand by")
    # The flows that it has missed are sent when it asks for them.
    time.sleep(0.5)


if __name__ == "__main__":
    main()
