"""check_sftp as a process beside the import of paramiko alone; the KEXINIT check beside that of the banner."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.bench.greeter import greeter
from integration.bench.measure import BIN, Cost, medians, run
from integration.servers import free_port, sshd
from tests.support.ssh import kexinit

ROUNDS = 25
CHECKS = 3000

SURVEY = """
import sys
from noidchecks import SshProbe, survey
port, count, deep = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
settings = {"banner": {}, "kexinit": {"algorithms": True}, "policy": {"policy": "modern"}}[deep]
probes = (SshProbe("127.0.0.1", port=port, **settings) for _ in range(count))
print(sum(result.timings.phases.get("greeting", 0) > 0 for _, result in survey(probes, concurrency=100)))
"""


def main() -> None:
    """Prints medians and ratios."""
    _start()
    _kexinit()


def _start() -> None:
    with _server() as words:
        commands: dict[str, list[str | Path]] = {
            "import paramiko": [sys.executable, "-c", "import paramiko"],
            "check_sftp, login": [BIN / "check_sftp", *words],
            "check_sftp, --get": [BIN / "check_sftp", "--get", "small", *words],
        }
        costs: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                costs[name].append(run(command, core=0))
    assert all(cost.output.startswith("SFTP OK") for cost in costs["check_sftp, --get"]), costs["check_sftp, --get"][0]
    base = medians(costs["import paramiko"])
    print(f"{'':20} {'wall ms':>8} {'start ms':>8} {'CPU ms':>8} {'start, x import':>15} {'CPU, x import':>14}")
    for name in commands:
        wall, cpu = medians(costs[name])
        start = statistics.median(cost.wall - _dialogue(cost.output) for cost in costs[name])
        numbers = f"{wall * 1e3:8.1f} {start * 1e3:8.1f} {cpu * 1e3:8.1f}"
        print(f"{name:20} {numbers} {start / base[0]:15.2f} {cpu / base[1]:14.2f}")


def _dialogue(output: str) -> float:
    """Returns the seconds that the check itself took, which are the server's too."""
    found = re.search(r"time=([0-9.]+)s", output)
    return float(found[1]) if found else 0.0


@contextmanager
def _server() -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory(dir="/run") as folder, sshd(Path(folder), free_port()) as server:
        (server.files / "small").write_bytes(bytes(1000))
        said = subprocess.run(["ssh-keygen", "-lf", server.host_key], capture_output=True, text=True, check=True)
        yield [
            *("--user", server.user, "--identity", str(server.user_key)),
            *("--fingerprint", said.stdout.split()[1], "-p", str(server.port), "-H", server.host),
        ]


def _kexinit() -> None:
    greeting = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n" + kexinit()
    costs: dict[str, list[Cost]] = {"banner": [], "kexinit": [], "policy": []}
    with greeter(core=1, greeting=greeting) as port:
        for _ in range(5):
            for name, found in costs.items():
                # TIME_WAIT holds the ports of the round before.
                time.sleep(0.5)
                found.append(run([sys.executable, "-c", SURVEY, str(port), str(CHECKS), name], core=0))
    empty = medians([run([sys.executable, "-c", SURVEY, "1", "0", name], core=0) for name in costs for _ in range(3)])
    base = medians(costs["banner"])[1] - empty[1]
    print(f"{CHECKS} checks on one core, start left out: CPU of the client, medians of 5 interleaved rounds")
    for name, found in costs.items():
        cpu = medians(found)[1] - empty[1]
        print(f"{name:20} {cpu / CHECKS * 1e6:8.1f} us {cpu / base:8.2f} times the banner check")


if __name__ == "__main__":
    main()
