"""The guardian with thousands of backends: what it costs, how late it starts, and a mass failure in transactions."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from noidlb.config.load import parse
from noidlb.events import Event, EventLog
from noidlb.farm import Conditions, Farm
from noidlb.guardian.applier import ApplyResult, NftApplier
from noidlb.guardian.guardian import Guardian
from noidlb.guardian.reconciler import Applier
from noidlb.overrides import Overrides
from noidlb.service.paced import exempt, take_turns

from integration.bench import bare_loop
from integration.bench.greeter import greeter
from integration.bench.loopback_farms import addresses, farms_text, own_network

INTERVAL = 5
MEASURED = 30.0


def main() -> None:
    """Prints a line for each number of backends, and one for each mass failure."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1:]:
        given = sys.argv[1:]
        port, count, interval, seconds = int(given[0]), int(given[1]), float(given[2]), float(given[3])
        if given[4] == "bare":
            print(json.dumps(bare_loop.run([(one, port) for one in addresses(count)], interval, interval, seconds)))
        else:
            asyncio.run(_child(port, count, interval, seconds, real=given[4] == "real"))
        return
    own_network()
    print(f"interval {INTERVAL} s, {MEASURED:.0f} s measured after the first rounds, one core for the guardian")
    with greeter(core=1) as port:
        lone = _run(port, 1, 0.1, 10.0)["p50"]
        print(f"a lone probe: p50 {lone:.2f} ms")
        for count in (2000, 10_000):
            limit = _run(port, count, INTERVAL, MEASURED, "bare")
            found = _run(port, count, INTERVAL, MEASURED)
            print(
                f"{count:6} backends: {found['cpu']:5.1f} % of a core, {found['memory']:4.0f} MiB, "
                f"p50 {found['p50']:.2f} ms ({found['p50'] / lone:.1f} x), latest start {found['latest']:.0f} ms late, "
                f"{found['overdue']:.0f} of {found['started']:.0f} more than 50 ms late "
                f"({found['latest_at_first']:.0f} ms in the first rounds); "
                f"one epoll loop of the same probes: {limit['cpu']:5.1f} %, {limit['latest']:.0f} ms late, "
                f"so {found['cpu'] / limit['cpu']:.1f} times; load {os.getloadavg()[0]:.1f}"
            )
    for seconds in (1, INTERVAL):
        print(f"   500 backends fail at once, interval {seconds} s: {_fail(seconds)}")


class _Idle:
    """Changes nothing."""

    def read(self) -> None:
        return None

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
        return ApplyResult(1)

    def is_disturbed(self) -> bool:
        return False

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


async def _child(port: int, count: int, interval: float, seconds: float, *, real: bool) -> None:
    # This and exempt() as the service does.
    take_turns()
    log = EventLog(limit=20_000)
    applier: Applier = NftApplier() if real else _Idle()
    guardian = Guardian(parse(farms_text(port, count, interval)), Overrides(), applier=applier, events=log)
    task = asyncio.create_task(guardian.run())
    await _flips(guardian, count)
    exempt(1)
    # The first round costs more than any other: the backlog that 10,000 backends have after it has a figure of its own.
    await asyncio.sleep(2 * interval)
    if real:
        await _watch_failure(guardian, log, count)
    else:
        await _measure(guardian, seconds)
    task.cancel()


async def _measure(guardian: Guardian, seconds: float) -> None:
    started_late, guardian._schedule.latest = guardian.counts.latest, 0.0
    before, begin, cpu = guardian.counts, time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    took, used, after = time.monotonic() - begin, time.process_time() - cpu, guardian.counts
    times = [one.last.timings.total for one in guardian.health() if one.last is not None]
    print(
        json.dumps(
            {
                "cpu": 100 * used / took,
                "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "p50": 1000 * statistics.median(times),
                "latest": 1000 * after.latest,
                "latest_at_first": 1000 * started_late,
                "overdue": after.overdue - before.overdue,
                "started": after.started - before.started,
            }
        )
    )


async def _flips(guardian: Guardian, count: int) -> None:
    """Waits until backends have become up or down so many times; to look at the health of 10,000 costs too much."""
    while guardian.counts.flips < count:  # noqa: ASYNC110  # counts are looked at, they tell nobody
        await asyncio.sleep(0.2)


async def _watch_failure(guardian: Guardian, log: EventLog, count: int) -> None:
    before = guardian.counts.transactions
    times: list[float] = []
    log.subscribe(lambda event: _note(event, times))
    print("ready", flush=True)
    await _flips(guardian, 2 * count)
    await guardian.settle()
    print(
        json.dumps({"transactions": guardian.counts.transactions - before, "spread": max(times) - min(times)}),
        flush=True,
    )


def _note(event: Event, times: list[float]) -> None:
    if event.kind == "down":
        times.append(event.time)


def _command(port: int, count: int, interval: float, seconds: float, kind: str) -> list[str]:
    arguments = [str(one) for one in (port, count, interval, seconds)]
    return [sys.executable, "-P", "-m", "integration.bench.guardian", *arguments, kind]


def _run(port: int, count: int, interval: float, seconds: float, kind: str = "idle") -> dict[str, float]:
    done = subprocess.run(
        ["taskset", "-c", "0", *_command(port, count, interval, seconds, kind)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _fail(interval: float) -> str:
    with greeter(core=1) as port:
        child = subprocess.Popen(_command(port, 500, interval, 0, "real"), stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    # The greeter is dead: refused from now on.
    found = json.loads(child.stdout.readline())
    child.wait()
    return f"{found['transactions']} transactions, verdicts within {found['spread']:.1f} s"


if __name__ == "__main__":
    main()
