"""survey() of thousands of FTP targets on one core, beside bare generators and a fork of the C plugin per target.

And silent peers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from integration.bench.greeter import greeter
from integration.bench.measure import C_PLUGINS, Cost, medians, run

TARGETS = 5000
SILENT = 2000
ROUNDS = 5
BARE = "from integration.bench.bare_generators import main; main()"

SURVEY = """
import sys
from time import monotonic
from noidchecks import FtpProbe, survey
port, timeout, concurrency = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
begin = monotonic()
late = []
states = {}
probes = (FtpProbe(host.strip(), port=port, timeout=timeout) for host in sys.stdin)
for probe, result in survey(probes, concurrency=concurrency):
    states[result.state.name] = states.get(result.state.name, 0) + 1
    late.append(result.timings.total - timeout)
late.sort()
print(states, f"{monotonic() - begin:.3f}", f"{late[len(late) * 99 // 100] * 1000:.2f}")
"""


def main() -> None:
    """Prints checks per CPU second with their ratio, and how late the results of silent peers are."""
    hosts = "".join(f"127.0.{n // 250 + 1}.{n % 250 + 1}\n" for n in range(TARGETS))
    ours: list[Cost] = []
    bare: list[Cost] = []
    theirs: list[Cost] = []
    with greeter(core=1) as port:
        for _ in range(ROUNDS):
            ours.append(run([sys.executable, "-c", SURVEY, str(port), "10", "200"], core=0, stdin=hosts))
            bare.append(run([sys.executable, "-c", BARE, str(port), "10", "200"], core=0, stdin=hosts))
            command: list[str | Path] = ["xargs", "-P1", "-I{}", C_PLUGINS / "check_ftp", "-H", "{}", "-p", str(port)]
            theirs.append(run(command, core=0, stdin=hosts))
    assert all(f"'OK': {TARGETS}" in cost.output for cost in (*ours, *bare)), ours[0].output
    (our_wall, our_cpu), (bare_wall, bare_cpu), (their_wall, their_cpu) = map(medians, (ours, bare, theirs))
    print(f"{TARGETS} targets, one core, process start included, medians of {ROUNDS} interleaved rounds")
    print(f"survey()        {TARGETS / our_cpu:8.0f} checks per CPU second {TARGETS / our_wall:8.0f} per second")
    print(f"bare generators {TARGETS / bare_cpu:8.0f} checks per CPU second {TARGETS / bare_wall:8.0f} per second")
    print(f"C, xargs -P1    {TARGETS / their_cpu:8.0f} checks per CPU second {TARGETS / their_wall:8.0f} per second")
    print(f"survey() / C    {their_cpu / our_cpu:8.1f}                       {their_wall / our_wall:8.1f}")
    print(f"bare / C        {their_cpu / bare_cpu:8.1f}                       {their_wall / bare_wall:8.1f}")
    with greeter(core=1, greeting=b"") as port:
        few = "".join(hosts.splitlines(keepends=True)[:SILENT])
        cost = run([sys.executable, "-c", SURVEY, str(port), "2", str(SILENT)], core=0, stdin=few)
    states, seconds, late = cost.output.rsplit(maxsplit=2)
    print(
        f"{SILENT} silent peers, deadline 2 s: ended after {seconds} s, 99 % at most {late} ms late, "
        f"{cost.memory:.0f} MiB, {states}"
    )


if __name__ == "__main__":
    main()
