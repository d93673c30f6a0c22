"""FTPS checks in one survey() on one core, with and without verification; the server runs on the other core."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from integration import servers
from integration.bench.measure import Cost, medians, run
from integration.certificates import make_certificates

CHECKS = 500
ROUNDS = 5
# Debian's package ca-certificates: what --verify reads without --ca-file.
SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")

SURVEY = """
import sys
from noidchecks import FtpProbe, survey
port, verify = int(sys.argv[1]), sys.argv[2] == "verify"
probes = (FtpProbe(host.strip(), port=port, tls="implicit", verify=verify) for host in sys.stdin)
states, slowest = {}, 0.0
for probe, result in survey(probes, concurrency=20):
    states[result.state.name] = states.get(result.state.name, 0) + 1
    slowest = max(slowest, result.timings.total)
print(states, f"{slowest * 1000:.0f}")
"""


def main() -> None:
    """Prints milliseconds of CPU for each check and the slowest one; the CPU of the server is not counted."""
    cores = os.sched_getaffinity(0)
    hosts = f"{servers.HOST}\n" * CHECKS
    costs: dict[str, list[Cost]] = {"plain": [], "verify": []}
    with tempfile.TemporaryDirectory(dir="/run") as name:
        folder = Path(name)
        (folder / "certificates").mkdir()
        certificates = make_certificates(folder / "certificates")
        authorities = folder / "authorities.pem"
        authorities.write_bytes(SYSTEM.read_bytes() + certificates.ca.read_bytes())
        os.environ["SSL_CERT_FILE"] = str(authorities)
        # What is started from here inherits the core: the server gets one to itself.
        os.sched_setaffinity(0, {max(cores)})
        (folder / "server").mkdir()
        with servers.vsftpd(folder / "server", servers.free_port(), implicit=certificates.good) as server:
            for _ in range(ROUNDS):
                for way, of_one in costs.items():
                    command = [sys.executable, "-c", SURVEY, str(server.port), way]
                    of_one.append(run(command, core=min(cores), stdin=hosts))
    assert all(f"'OK': {CHECKS}" in cost.output for of_one in costs.values() for cost in of_one), costs
    print(f"{CHECKS} FTPS checks in one survey(), 20 at a time, one core, medians of {ROUNDS} interleaved rounds")
    for way, of_one in costs.items():
        _, cpu = medians(of_one)
        slowest = max(int(cost.output.split()[-1]) for cost in of_one)
        memory = max(cost.memory for cost in of_one)
        print(f"{way:8} {1000 * cpu / CHECKS:8.2f} ms CPU a check, slowest check {slowest} ms, {memory:.0f} MiB")


if __name__ == "__main__":
    main()
