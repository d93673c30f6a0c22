"""The seam between the traffic tests and what they test: the program noidlb, run in the lab's balancer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from integration.lab import Lab
from integration.lab.namespace import Namespace

NOIDLB = Path(sys.executable).parent / "noidlb"

# What a careful administrator's own firewall looks like: it lets through what a farm has translated, what belongs to
# that, and nothing else. It is not noidlb's, which must leave it alone.
FIREWALL = """\
table inet firewall {
	chain forwarded {
		type filter hook forward priority 10; policy drop;
		ct state established,related accept
		ct status dnat accept
		meta l4proto ipv6-icmp accept
	}
}
"""


class Balance:
    """Applies farms and overrides in the balancer, each with a run of its own of noidlb."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._balancer = lab.balancer
        self._file = folder / "farms.toml"
        self._environment = {**os.environ, "NOIDLB_STATE": str(folder / "state")}
        (folder / "state").mkdir()
        self._balancer.nft(FIREWALL)

    def __call__(self, farms: str) -> None:
        """Applies the text of a farms file."""
        self._file.write_text(farms)
        self._succeed("apply", str(self._file))

    def applied(self, farms: str) -> subprocess.CompletedProcess[str]:
        """Applies the text of a farms file, and returns what was said."""
        self._file.write_text(farms)
        return self.run("apply", str(self._file))

    def up(self, farm: str, backend: str) -> None:
        """Lets a backend serve again."""
        self._succeed("up", farm, backend)

    def drain(self, farm: str, backend: str, *, cut: bool = False) -> None:
        """Gives a backend no new clients."""
        self._succeed("drain", farm, backend, *_flag(cut))

    def down(self, farm: str, backend: str, *, cut: bool = False) -> None:
        """Takes a backend out."""
        self._succeed("down", farm, backend, *_flag(cut))

    def start(self, farm: str | None = None) -> None:
        """Starts one farm that was stopped, or all."""
        self._succeed("start", *([] if farm is None else [farm]))

    def stop(self, farm: str | None = None, *, cut: bool = False) -> None:
        """Stops one farm, or all."""
        self._succeed("stop", *([] if farm is None else [farm]), *_flag(cut))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs noidlb with any words."""
        return self._balancer.run((NOIDLB, *words), check=False, env=self._environment)

    def ruleset(self) -> str:
        """Returns all that is in the kernel, handles included, without what traffic changes."""
        return self._balancer.run(("nft", "-a", "-s", "list", "ruleset")).stdout

    def close(self) -> None:
        """Forgets everything that is in the balancer's kernel."""
        self._balancer.run(("nft", "flush", "ruleset"))
        flush(self._balancer)

    def _succeed(self, *words: str) -> None:
        done = self.run(*words)
        if done.returncode != 0:
            raise RuntimeError(f"noidlb {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")


def flows(balancer: Namespace, version: int, *filters: str, table: str = "conntrack") -> list[str]:
    """Lists the connections of one family that conntrack(8) filters select; table "expect": the expectations."""
    family = "ipv4" if version == 4 else "ipv6"
    return balancer.run(("conntrack", "-L", table, "-f", family, *filters)).stdout.splitlines()


def forget_ended(balancer: Namespace) -> None:
    """Forgets the connections that have ended.

    In mode snat the kernel refuses a data connection to a port of a client while it remembers one from another backend
    to the same port (docs/farms.md); clients take any port, and with bad luck the same one twice.
    """
    for family in ("ipv4", "ipv6"):
        # Its code is 1 when there are none.
        balancer.run(("conntrack", "-D", "-f", family, "-p", "tcp", "--state", "TIME_WAIT"), check=False)


def flush(balancer: Namespace) -> None:
    """Forgets all connections."""
    for table in ("conntrack", "expect"):
        balancer.run(("conntrack", "-F", table))


def _flag(cut: bool) -> list[str]:
    return ["--cut"] if cut else []
