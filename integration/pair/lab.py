"""The lab with two balancers in namespaces, each of which can crash, leave and come back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from integration.daemon import Daemon
from integration.lab.namespace import Namespace
from integration.lb.balance import FIREWALL, NOIDLB
from integration.pair import topology
from integration.pair.site import PairSite, wait_for
from integration.servers import UNPACKED

_PROGRAMS = f"{UNPACKED}/usr/sbin:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


class Node(Namespace):
    """One balancer; everything that it runs and writes is in a folder of its own."""

    def __init__(self, number: int, folder: Path) -> None:
        super().__init__(f"lb{number}")
        self.number = number
        self.folder = folder
        self.out = folder / "pair"
        self.run_folder = folder / "run"
        self.run_folder.mkdir()
        self.environment = {**os.environ, "PATH": _PROGRAMS, "NOIDLB_STATE": str(folder / "state")}
        self.daemons: dict[str, Daemon] = {}
        self.versions: Sequence[int] = ()
        for family in ("ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"):
            self.sysctl(f"net/{family}", 1)

    def boot(self, farms: Path, versions: Sequence[int] = (4, 6)) -> None:
        """Starts everything on an empty kernel, as a machine does that comes up with addresses of some families."""
        self.versions = versions
        self.run(("nft", "flush", "ruleset"))
        for table in ("conntrack", "expect"):
            self.run(("conntrack", "-F", table))
        topology.node_up(self, self.number, versions)
        self.nft(FIREWALL)
        self.noidlb("pair", farms, "--node", self.name, "--out", self.out, "--run-dir", self.run_folder)
        for line in (self.out / "noidlb.sysctl.conf").read_text().splitlines():
            if not line.startswith("#"):
                name, _, value = line.partition(" = ")
                self.sysctl(name.replace(".", "/"), int(value))
        self.nft((self.out / "noidlb_pair.nft").read_text())
        self.noidlb("apply", farms)
        self.start_conntrackd()
        self.start_keepalived()

    def start_conntrackd(self) -> None:
        """Starts conntrackd alone, again if it runs already, as its unit does."""
        if "conntrackd" in self.daemons:
            self.daemons.pop("conntrackd").stop()
        for left in ("conntrackd.ctl", "conntrackd.lock"):
            (self.run_folder / left).unlink(missing_ok=True)
        self.start("conntrackd", "-C", self.out / "conntrackd.conf")
        socket = self.run_folder / "conntrackd.ctl"
        self.daemons["conntrackd"].wait_until(socket.exists, "its socket")
        self.run((self.out / "notify", "UNIT", "conntrackd", "STARTED"), env=self.environment)

    def start_keepalived(self) -> None:
        """Starts keepalived alone."""
        (self.run_folder / "role").unlink(missing_ok=True)
        pids = ("-p", self.run_folder / "keepalived.pid", "-r", self.run_folder / "vrrp.pid")
        self.start("keepalived", "-n", "-l", "-D", "--vrrp", "-f", self.out / "keepalived.conf", *pids)

    def start(self, program: str, *words: str | Path) -> None:
        """Starts one daemon."""
        folder = self.folder / program
        folder.mkdir(exist_ok=True)
        with self.entered():
            argv = ["/usr/bin/env", f"PATH={_PROGRAMS}", UNPACKED / "usr/sbin" / program, *words]
            self.daemons[program] = Daemon(argv, folder)

    def crash(self) -> None:
        """Dies at once: nobody on it says a word more."""
        # The daemons first: a keepalived that saw one link go would use the others to say goodbye.
        for name in ("keepalived", "conntrackd"):
            if name in self.daemons:
                self.daemons.pop(name).stop()
        topology.node_down(self)
        # A machine that is off has no socket files; one that comes back finds an empty /run.
        for path in self.run_folder.iterdir():
            path.unlink()

    def leave(self) -> None:
        """Ends keepalived as an operator does, who wants the other one to serve."""
        daemon = self.daemons.pop("keepalived")
        os.kill(daemon.pid, signal.SIGTERM)
        daemon.wait_to_end()

    def noidlb(self, *words: str | Path, check: bool = True) -> str:
        """Runs noidlb here, and returns what it printed."""
        return self.run((NOIDLB, *words), env=self.environment, check=check).stdout

    def conntrackd(self, *words: str) -> str:
        """Asks conntrackd."""
        return self.run((UNPACKED / "usr/sbin/conntrackd", "-C", self.out / "conntrackd.conf", *words)).stdout

    def flows(self, *filters: str) -> list[str]:
        """Lists what its kernel knows."""
        lines = []
        for family in ("ipv4", "ipv6"):
            lines += self.run(("conntrack", "-L", "-f", family, *filters)).stdout.splitlines()
        return lines

    @property
    def role(self) -> str:
        """What the notify script wrote last."""
        path = self.run_folder / "role"
        return path.read_text().strip() if path.exists() else ""

    def has_vips(self) -> bool:
        """Whether the VIP of each of its families is an address of this node."""
        shown = self.run(("ip", "addr", "show", "dev", "front")).stdout
        return all(f" {topology.VIP[version]}/" in shown for version in self.versions)

    @property
    def serves(self) -> bool:
        """Whether it runs and has the VIPs."""
        return "keepalived" in self.daemons and self.has_vips()

    def close(self) -> None:
        """Ends its daemons."""
        while self.daemons:
            self.daemons.popitem()[1].stop()
        super().close()


class PairLab(PairSite[Node]):
    """The site whose balancers are namespaces."""

    def _make_networks(self, built: ExitStack) -> None:
        self.client = self._make(built, Namespace("client"))
        switch = self._make(built, Namespace("switch"))
        self.nodes = [self._make(built, Node(number, self._subfolder(f"lb{number}"))) for number in (1, 2)]
        self.backends = [self._make(built, self._make_backend(number)) for number in (1, 2, 3)]
        topology.wire(self.client, switch, self.backends)
        topology.wire_nodes(switch, self.nodes)
        topology.return_route(self.backends)

    def boot(self, farms: str, versions: Sequence[int] = (4, 6)) -> None:
        """Starts both balancers with a farms file; lb1 serves in the end."""
        path = self.folder / "farms.toml"
        path.write_text(farms)
        for node in self.nodes:
            node.crash()
        for node in self.nodes:
            node.boot(path, versions)
            # The first one there takes over, and is not asked to give back: who comes first is who serves.
            if node.number == 1:
                self.wait_until_serves(node)
        wait_for(lambda: self.nodes[1].role == "backup", "lb2 to stand by")


@contextmanager
def paced(namespaces: Sequence[Namespace], rate: str = "100mbit") -> Iterator[Callable[[str], None]]:
    """Lets machines send no faster than a rate of tc(8), which what it yields changes, until the block ends."""

    def pace(rate: str, verb: str = "change") -> None:
        for namespace in namespaces:
            device = ("tc", "qdisc", verb, "dev", "eth0", "root")
            namespace.run((*device, "tbf", "rate", rate, "burst", "64kb", "limit", "256kb"))

    pace(rate, "add")
    try:
        yield pace
    finally:
        for namespace in namespaces:
            namespace.run(("tc", "qdisc", "del", "dev", "eth0", "root"))
