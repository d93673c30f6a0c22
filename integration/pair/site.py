"""What every lab with two balancers is, wherever they run: namespaces here, machines in integration/machine/pair."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

from integration.lab import Backend, Lab
from integration.lab.topology import Link
from integration.pair import topology

PATIENCE = 60.0
TFTP_FILE = 32 * 1024 * 1024


class Balancer(Protocol):
    """One balancer of the pair."""

    @property
    def name(self) -> str:
        """As below pair.nodes in the farms file."""

    @property
    def number(self) -> int:
        """1 or 2."""

    @property
    def role(self) -> str:
        """What its notify script wrote last."""

    @property
    def serves(self) -> bool:
        """Whether it runs and has the VIPs."""

    def flows(self, *filters: str) -> list[str]:
        """Lists the flows that its kernel knows; the filters are options of conntrack(8)."""

    def crash(self) -> None:
        """Ends it without a word to the other one."""


B = TypeVar("B", bound=Balancer)


class PairBackend(Backend):
    """A backend on the common network."""

    def address(self, version: int) -> str:
        return topology.backend(self.link.number, version)


class PairSite(Lab, Generic[B]):
    """A client, two balancers and three backends, with vsftpd, tftpd-hpa and sshd on each."""

    nodes: Sequence[B]
    patience = PATIENCE
    vip: Mapping[int, str] = topology.VIP
    client_address: Mapping[int, str] = topology.CLIENT
    """From which the client talks to the VIP of each family."""

    def __init__(self) -> None:
        super().__init__(ftp=("vsftpd",) * 3, tftp=("tftpd-hpa",) * 3)

    def __enter__(self) -> Self:
        super().__enter__()
        for backend in self.backends:
            (backend.files / "boot").write_bytes((backend.files / "big").read_bytes()[:TFTP_FILE])
        return self

    def wait_until_serves(self, node: Balancer) -> None:
        """Waits until it has the addresses, and its notify script has said so."""
        wait_for(lambda: node.serves and node.role == "master", f"{node.name} to serve", self.patience)

    @property
    def active(self) -> B:
        """The node that serves."""
        found = [node for node in self.nodes if node.serves]
        assert len(found) == 1, [node.name for node in found]
        return found[0]

    def other(self, node: Balancer) -> B:
        """Returns the other one."""
        return self.nodes[2 - node.number]

    def _make_backend(self, number: int) -> PairBackend:
        return PairBackend(Link(number), self._subfolder(f"b{number}"))


AnySite = PairSite[Any]


def wait_for(condition: Callable[[], bool], what: str, patience: float = PATIENCE, pause: float = 0.01) -> float:
    """Asks again until it is so, and returns the seconds that it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > patience:
            raise TimeoutError(f"no sign of {what} in {patience} s")
        time.sleep(pause)
    return time.monotonic() - begin
