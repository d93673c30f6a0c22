"""Logins with a passive listing on one core: survey() beside one curl per check; the server runs on the other core."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from integration import servers
from integration.bench.measure import Cost, medians, run

CHECKS = 300
ROUNDS = 5

SURVEY = """
import sys
from noidchecks import FtpProbe, Listing, Login, survey
port = int(sys.argv[1])
states = {}
probes = (FtpProbe(host.strip(), port=port, login=Login(), listing=Listing()) for host in sys.stdin)
for probe, result in survey(probes, concurrency=8):
    states[result.state.name] = states.get(result.state.name, 0) + 1
print(states)
"""


def main() -> None:
    """Prints checks per CPU second and their ratio; the CPU of the server is not counted."""
    cores = os.sched_getaffinity(0)
    hosts = f"{servers.HOST}\n" * CHECKS
    ours: list[Cost] = []
    theirs: list[Cost] = []
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        # What is started from here inherits the core: the server gets one to itself.
        os.sched_setaffinity(0, {max(cores)})
        with servers.vsftpd(Path(folder), servers.free_port()) as server:
            curl = f"ftp://{{}}:{server.port}/"
            for _ in range(ROUNDS):
                ours.append(run([sys.executable, "-c", SURVEY, str(server.port)], core=min(cores), stdin=hosts))
                # --ftp-pasv is its default: EPSV, as ours.
                command = ["xargs", "-P1", "-I{}", "curl", "--silent", "--fail", "--show-error", curl]
                theirs.append(run(command, core=min(cores), stdin=hosts))
    assert all(f"'OK': {CHECKS}" in cost.output for cost in ours), ours[0].output
    assert all(cost.output.count("hello.txt") == CHECKS for cost in theirs), theirs[0].output[:200]
    (our_wall, our_cpu), (their_wall, their_cpu) = medians(ours), medians(theirs)
    print(f"{CHECKS} logins with a passive listing, process start included, medians of {ROUNDS} interleaved rounds")
    print(f"survey()         {CHECKS / our_cpu:8.0f} checks per CPU second {CHECKS / our_wall:8.0f} per second")
    print(f"curl, xargs -P1  {CHECKS / their_cpu:8.0f} checks per CPU second {CHECKS / their_wall:8.0f} per second")
    print(f"ratio            {their_cpu / our_cpu:8.1f}                       {their_wall / our_wall:8.1f}")
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    print(version.partition(" (")[0])


if __name__ == "__main__":
    main()
