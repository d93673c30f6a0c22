"""New connections a second and throughput through a farm, beside nftlb, a rule by hand, HAProxy and plain routing."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from integration.bench.contenders import ALL, HAND, HAPROXY, MANY, NFTLB, ONE, PLAIN, Contender, contender
from integration.bench.load import Kind, load, serving

# Many and short: what else a machine does comes and goes, and is to meet all of a round alike.
ROUNDS = 30
SECONDS = 0.2
GOAL = 0.97
WORKERS: dict[Kind, int] = {"handshake": 2, "greeting": 6, "stream": 2}
TITLES: dict[Kind, tuple[str, float, int]] = {
    "handshake": ("connections, answered by the servers' kernels", 1, 0),
    "greeting": ("connections, until the server's greeting", 1, 0),
    "stream": ("Gbit, two streams", 8e-9, 1),
}

Rates = dict[str, list[float]]


@dataclass(slots=True)
class Figures:
    """The rates of each round by contender: per second, and per second of CPU time of all processes that take part.

    What a machine is busy with besides changes the first much and the second little.
    """

    wall: Rates = field(default_factory=lambda: defaultdict(list))
    cpu: Rates = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    """Prints rates and ratios; arguments: "snat" or "dnat" (dnat), and a number of rounds."""
    mode = "snat" if "snat" in sys.argv else "dnat"
    rounds = next((int(word) for word in sys.argv[1:] if word.isdigit()), ROUNDS)
    figures: dict[Kind, Figures] = {kind: Figures() for kind in TITLES}
    wrong: dict[str, Counter[str]] = defaultdict(Counter)
    print(f"load average {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(dir="/run") as folder, ExitStack() as built:
        contenders = {name: built.enter_context(contender(name, Path(folder), mode)) for name in ALL}
        for number in range(rounds):
            # Nobody is always the first, or always behind the same one.
            order = ALL[number % len(ALL) :] + ALL[: number % len(ALL)]
            for kind, found in figures.items():
                # Handshakes with HAProxy are over before it has asked a server.
                for name in [one for one in order if (one, kind) != (HAPROXY, "handshake")]:
                    wrong[name] += _measure(kind, contenders[name], found.wall[name], found.cpu[name])
    print(f"farm of 3 servers, mode {mode}, {rounds} interleaved rounds of {SECONDS:g} s")
    for kind, found in figures.items():
        _print(kind, found)
    for name, troubles in wrong.items():
        if troubles:
            print(f"went wrong with {name}: {dict(troubles)}")
    print(f"load average {os.getloadavg()[0]:.2f}")


def _measure(kind: Kind, one: Contender, wall: list[float], cpu: list[float]) -> Counter[str]:
    # Nobody is to find the table of connections fuller than another.
    one.balancer.run(("conntrack", "-F"))
    with serving(kind, one.listeners) as servers:
        others = [*servers, *one.processes]
        outcome = load(kind, one.client, one.targets, SECONDS, WORKERS[kind], others)
    wall.append(outcome.done / SECONDS)
    cpu.append(outcome.done / outcome.cpu)
    return outcome.wrong


def _print(kind: Kind, figures: Figures) -> None:
    title, unit, digits = TITLES[kind]
    names = [name for name in ALL if name in figures.wall]
    heads = f"{'min':>8} {'median':>8} {'max':>8} {'to plain':>8}  "
    print(f"\n{title:41} {'per second':35}  per second of CPU\n{'':41}{heads}{heads}".rstrip())
    for name in names:
        columns = []
        for rates in (figures.wall, figures.cpu):
            low, middle, high = (unit * one(rates[name]) for one in (min, median, max))
            shown = f"{low:8.{digits}f} {middle:8.{digits}f} {high:8.{digits}f} {_ratio(rates, name, PLAIN)[0]:8.2f}  "
            columns.append(shown)
        print(f"{name:41}{columns[0]}{columns[1]}".rstrip())
    print(f"ratios within a round: median (quarter to three quarters), goal {GOAL}")
    for ours in (ONE, MANY):
        for peer in [name for name in (NFTLB, HAND, PLAIN, HAPROXY) if name in names]:
            print(f"{ours:17} / {peer:18}", end="")
            for rates in (figures.wall, figures.cpu):
                middle, low, high = _ratio(rates, ours, peer)
                verdict = "" if peer not in (NFTLB, HAND) else "met" if middle >= GOAL else "MISSED"
                print(f" {middle:6.3f} ({low:.3f} to {high:.3f}) {verdict:11}", end="")
            print()


def _ratio(rates: Rates, one: str, other: str) -> tuple[float, float, float]:
    """Returns median and quartiles of what they come to in the same round."""
    ratios = sorted(here / there for here, there in zip(rates[one], rates[other], strict=True))
    return median(ratios), ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]


if __name__ == "__main__":
    main()
