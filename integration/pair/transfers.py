"""Transfers that are under way when something happens to a balancer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

from integration.clients import Data, Errand, Target, Visit, curl_ftp, curl_tftp, sftp, sha256
from integration.pair.farms import PORTS
from integration.pair.lab import paced
from integration.pair.site import AnySite, Balancer, wait_for

KINDS = (
    "ftp-passive-get", "ftp-passive-put", "ftp-active-get", "ftp-active-put", "sftp-get", "sftp-put", "tftp-get",
)  # fmt: skip
LIMIT = 300.0
"""Seconds that a transfer may take on a busy machine before it counts as stuck."""


@dataclass(slots=True)
class Transfer:
    """One transfer through the VIP; `finish` tells what came of it, "" when it arrived whole."""

    lab: AnySite
    kind: str
    version: int
    name: str = field(default_factory=lambda: uuid4().hex)
    _visit: Visit | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the client program."""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the client has not ended yet."""
        return self._thread is not None and self._thread.is_alive()

    def finish(self) -> str:
        """Waits for the end, and says what is wrong with what arrived."""
        assert self._thread is not None
        self._thread.join()
        visit = self._visit
        if visit is None:
            return "the client could not be run"
        if visit.code != 0:
            return f"exit code {visit.code}: {visit.output[-600:]}"
        wanted = sha256(self._source)
        if self.kind.endswith("get"):
            return "" if visit.sha256.get(self._source.name) == wanted else "another file came"
        found = [one.files / "upload" / self.name for one in self.lab.backends]
        arrived = [path for path in found if path.exists()]
        wrong = (
            "" if [sha256(path) for path in arrived] == [wanted] else f"{len(arrived)} files arrived, or another one"
        )
        for path in arrived:
            path.unlink()
        return wrong

    @property
    def _source(self) -> Path:
        return self.lab.backends[0].files / ("boot" if self.kind.startswith("tftp") else "big")

    def _run(self) -> None:
        protocol, *rest = self.kind.split("-")
        is_get = rest[-1] == "get"
        errand = Errand(
            listing=False,
            get=(self._source.name,) if is_get else (),
            put={} if is_get else {f"upload/{self.name}": self._source},
        )
        data = Data.usual(self.version, passive=rest[0] == "passive")
        target = Target(host=self.lab.vip[self.version], port=PORTS[protocol], data=data)
        lab = self.lab
        clients: dict[str, Callable[..., Visit]] = {
            "ftp": curl_ftp,
            "tftp": curl_tftp,
            "sftp": partial(sftp, key=lab.keys.user, known_hosts=lab.folder / "known_hosts"),
        }
        self._visit = clients[protocol](lab.client, target, errand, timeout=LIMIT)


def start_all(transfers: list[Transfer], settle: float) -> None:
    """Starts transfers and lets them run for so many seconds."""
    for one in transfers:
        one.start()
    time.sleep(settle)


def _arriving(lab: AnySite) -> int:
    """Counts the files of which a part has arrived: at clients, which are in folders of visits, and at servers."""
    got = [path for name in ("big", "boot") for path in Path("/run").glob(f"visit-*/{name}")]
    put = [path for one in lab.backends for path in (one.files / "upload").iterdir()]
    return sum(path.stat().st_size > 0 for path in (*got, *put))


def _established(node: Balancer, address: str) -> int:
    """Counts the TCP connections of a client that a node knows as established."""
    return sum("ESTABLISHED" in line and f"src={address} " in line for line in node.flows("-p", "tcp"))


def crash_amid_transfers(lab: AnySite, version: int, kinds: Sequence[str] = KINDS) -> dict[str, str]:
    """Crashes the node that serves while a transfer of each kind runs, and returns by kind what came of each."""
    transfers = [Transfer(lab, kind, version) for kind in kinds]
    # So slow that none ends before the last has begun.
    with paced([lab.client, *lab.backends], "4mbit") as pace:
        start_all(transfers, 0.0)
        wait_for(lambda: _arriving(lab) == len(transfers), "every transfer to move", lab.patience)
        # What the other node has not heard of cannot survive, which docs/pair.md says.
        active, other = lab.active, lab.other(lab.active)
        client = lab.client_address[version]
        wait_for(
            lambda: _established(active, client) <= _established(other, client),
            "the flows on the other node",
            lab.patience,
        )
        running = [one.kind for one in transfers if one.is_running]
        active.crash()
        pace("100mbit")
        outcomes = {one.kind: one.finish() for one in transfers}
    assert running == list(kinds), outcomes
    return outcomes
