"""The lab whose balancers are machines, on the addresses of docs/pair.md."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from integration.lab import servers
from integration.lab.namespace import Namespace
from integration.machine.image import Image
from integration.machine.pair.disk import install
from integration.machine.pair.machine import PATIENCE, Machine
from integration.pair import topology
from integration.pair.site import PairSite, wait_for

_SIDES = ("front", "back", "sync")
"""The networks of eth0, eth1 and eth2."""


class MachineLab(PairSite[Machine]):
    """A client and three backends in namespaces, and two machines between them, which are off at first."""

    # An emulated machine forwards a few megabytes in a second.
    big_size = 12_000_000
    patience = PATIENCE
    vip = {4: "10.10.0.100", 6: "fd00:10::100"}  # noqa: RUF012 - a constant, as in the class that it is from
    client_address = {4: topology.CLIENT[4], 6: "fd00:10::110"}  # noqa: RUF012 - the same

    def __init__(self, image: Image, payload: Path) -> None:
        super().__init__()
        self._image, self._payload = image, payload

    def wait_until_stands_by(self, node: Machine) -> None:
        """Waits until its notify script has said so, and it has none of the addresses."""
        wait_for(lambda: node.role == "backup" and not node.serves, f"{node.name} to stand by", self.patience)

    def synchronized(self) -> str:
        """Waits until the standby knows as many FTP sessions of clients as the node that serves, and says when."""
        active = self.active
        other = self.other(active)

        def sessions(node: Machine) -> int:
            return sum("ESTABLISHED" in line for line in node.flows("-p", "tcp", "--orig-port-dst", "21"))

        what = f"the flows on {other.name}"
        seconds = wait_for(lambda: 0 < sessions(active) <= sessions(other), what, self.patience)
        return f"the flows are on {other.name} after {seconds:.1f} s"

    def _start_servers(self) -> None:
        super()._start_servers()
        for backend in self.backends:
            # Longer than a machine takes to boot, or vsftpd would end the idle sessions.
            patient = {"idle_session_timeout": 86_400}
            start = partial(servers.vsftpd, passive=backend.passive_ports, extra=patient)
            backend.exchange("vsftpd", start)

    def _make_networks(self, built: ExitStack) -> None:
        self.client = self._make(built, Namespace("client"))
        switch = self._make(built, Namespace("switch"))
        self.backends = [self._make(built, self._make_backend(number)) for number in (1, 2, 3)]
        topology.wire(self.client, switch, self.backends)
        topology.return_route(self.backends)
        self.client.ip(f"address add {self.client_address[6]}/64 dev eth0")
        switch.ip("link add sync type bridge", "link set sync up")
        disks = [self.folder / f"disk{number}" for number in (1, 2)]
        install(self._image, self._payload, disks[0])
        subprocess.run(["cp", "--sparse=always", *disks], check=True)
        self.nodes = [self._make_machine(built, switch, number, disk) for number, disk in enumerate(disks, 1)]

    def _make_machine(self, built: ExitStack, switch: Namespace, number: int, disk: Path) -> Machine:
        taps = [f"{side}{number}" for side in _SIDES]
        switch.ip(
            *(
                command
                for side, tap in zip(_SIDES, taps, strict=True)
                for command in (f"tuntap add dev {tap} mode tap", f"link set {tap} master {side}", f"link set {tap} up")
            )
        )
        machine = Machine(number, self._image, self._payload, disk, switch, taps, self._subfolder(f"lb{number}"))
        built.callback(machine.crash)
        machine.vips = self.vip.values()
        return machine
