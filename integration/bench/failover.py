"""How long a take-over keeps new sessions waiting, and how many running transfers outlive it.

integration/run .venv/bin/python -P -m integration.bench.failover [CRASHES]
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from statistics import median
from typing import Literal

from integration.bench.sampling import GRAIN, Sample, sampling
from integration.pair.farms import PORTS, everything
from integration.pair.lab import Node, PairLab, paced
from integration.pair.site import wait_for
from integration.pair.topology import VIP
from integration.pair.transfers import KINDS, Transfer, start_all

CRASHES = 20
RATE = "250mbit"
SETTLE = 1.0
_LEAD = 0.5
_TAIL = {"crash": 1.5, "leave": 0.5}


def main() -> None:
    """Prints the tables."""
    crashes = int(sys.argv[1]) if len(sys.argv) > 1 else CRASHES
    with PairLab() as lab:
        lab.boot(everything())
        _sample(lab, "crash", crashes)
        _sample(lab, "leave", crashes)
        for version in (4, 6):
            _surviving(lab, version, crashes)


def _sample(lab: PairLab, what: Literal["crash", "leave"], times: int) -> None:
    """Prints how long nobody served; one protocol at a time, for servers on the same machine are load as well."""
    print(f"{what}, {times} times for each protocol, a session every {GRAIN:g} s: seconds from one answer to the next,")
    print("sessions that had to send again or got no answer, of how many, and the longest that an answered one waited")
    print(f"{'':10} {'min':>6} {'median':>6} {'max':>6} {'lost':>6} {'of':>6} {'longest':>8}")
    for protocol, port in PORTS.items():
        found: dict[int, list[Sample]] = {4: [], 6: []}
        for _ in range(times):
            node = lab.active
            with sampling(lab.client, list(VIP.values()), port) as samples:
                time.sleep(_LEAD)
                getattr(node, what)()
                time.sleep(_TAIL[what])
            for version, sample in zip(VIP, samples, strict=True):
                found[version].append(sample)
            _return(lab, node)
        for version, these in found.items():
            gaps = [one.gap for one in these]
            print(
                f"{protocol} IPv{version}".ljust(10),
                *(f"{of(gaps):6.2f}" for of in (min, median, max)),
                f"{sum(one.lost for one in these):6} {sum(len(one.sessions) for one in these):6}",
                f"{max(one.slowest for one in these):8.2f}",
                flush=True,
            )


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
    lab.wait_until_serves(lab.other(node))
    if node.daemons:
        node.start_keepalived()
    else:
        node.boot(lab.folder / "farms.toml")
    wait_for(lambda: node.role == "backup", f"{node.name} to stand by")
    # The flows that it has missed are sent when it asks for them.
    time.sleep(0.5)


if __name__ == "__main__":
    main()
