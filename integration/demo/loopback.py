"""The demonstration where there can be no namespaces: backends on loopback, and the table printed, not applied."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from noidlb.config.load import parse
from noidlb.farm_status import FarmStatus
from noidlb.guardian.guardian import Guardian
from noidlb.nft.table import render
from noidlb.overrides import Overrides
from noidlb.service.operations import views
from noidlb.status import statuses

from integration.demo.backends import PORTS, BackendProcess, farms, host_key
from integration.demo.script import Fetched
from integration.lab.topology import Link
from noidchecks.demo.server_process import LOOPBACK
from tests.support.lb.fake_nft import FakeKernel

# Below the ports that clients get: no connection takes that of a backend while it is dead.
_PORTS = range(20_000, 32_000)


class InMemoryTable(FakeKernel):
    """Keeps the table that the kernel would get."""

    def text(self) -> str:
        """Returns it as nft text."""
        return "" if self.nft.table is None else render(self.nft.table)


@dataclass(frozen=True, slots=True)
class _Place:
    """A backend that has its address only in the farms file, which takes none of loopback."""

    link: Link
    files: Path

    @property
    def name(self) -> str:
        return f"b{self.link.number}"

    def address(self, version: int) -> str:
        return self.link.backend(version)

    def entered(self) -> AbstractContextManager[None]:
        return nullcontext()


class OnLoopback:
    """Backends without rights; the guardian runs in a thread of this process, and ends with it."""

    def __init__(self, folder: Path) -> None:
        key = host_key(folder)
        self.table = InMemoryTable()
        ports = iter(random.sample(_PORTS, len(_PORTS)))
        self.backends = [BackendProcess(_place(folder, n), key, _free_ports(ports), LOOPBACK) for n in (1, 2, 3)]
        self._farms = parse(farms(self.backends, LOOPBACK)).farms
        self._guardian = Guardian(self._farms, Overrides(), applier=self.table, count=lambda: dict[int, int]())
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_until_complete, args=(self._guardian.run(),), daemon=True).start()

    def status(self) -> tuple[FarmStatus, ...]:
        return asyncio.run_coroutine_threadsafe(self._status(), self._loop).result()

    def fetch(self) -> Mapping[str, Fetched]:
        return {}

    async def _status(self) -> tuple[FarmStatus, ...]:
        return statuses(self._farms, Overrides(), self.table.read(), {}, dict(views(self._guardian.health())))


def _place(folder: Path, number: int) -> _Place:
    place = _Place(Link(number), folder / str(number) / "files")
    place.files.mkdir(parents=True)
    (place.files / "name").write_text(place.name)
    return place


def _free_ports(candidates: Iterator[int]) -> dict[str, int]:
    """Returns a port for each protocol, the next of the candidates that are free."""
    found: dict[str, int] = {}
    for protocol in PORTS:
        kind = socket.SOCK_DGRAM if protocol == "tftp" else socket.SOCK_STREAM
        while protocol not in found:
            port = next(candidates)
            with socket.socket(type=kind) as one, suppress(OSError):
                one.bind((LOOPBACK, port))
                found[protocol] = port
    return found
