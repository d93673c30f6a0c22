"""The demonstration where there can be no namespaces: backends on loopback, and the ruleset printed, not applied."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from noidlb.config.load import parse
from noidlb.demo.cast import Cast
from noidlb.demo.scene import HOSTS, Host, Ports, commands, farms
from noidlb.events import EventLog
from noidlb.farm import Conditions, Farm
from noidlb.guardian.applier import ApplyResult
from noidlb.guardian.guardian import Guardian
from noidlb.nft.compile import compile_table
from noidlb.nft.listing import Snapshot
from noidlb.nft.table import render
from noidlb.overrides import Overrides
from noidlb.service.running import sights
from noidlb.status import FarmStatus, survey

LOOPBACK = "127.0.0.1"


class Paper:
    """Keeps the table that the kernel would get."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None

    def read(self) -> Snapshot | None:
        return self._snapshot

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
        self._snapshot = Snapshot(1, compile_table(farms, conditions, stopped))
        return ApplyResult(transactions=1)

    def is_disturbed(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""

    def text(self) -> str:
        """Returns it as nft text."""
        return "" if self._snapshot is None else render(self._snapshot.table)


class Loopback:
    """Where it is played without rights: the guardian is in a thread of this process."""

    def __init__(self, folder: Path) -> None:
        self.hosts = tuple(Host(host.number, _free_ports()) for host in HOSTS)
        self.cast = Cast(folder, lambda host, words: words, lambda host: LOOPBACK)
        self.paper = Paper()
        self._farms = parse(farms(self.hosts, commands(LOOPBACK, "PORT"))).farms
        self._loop = asyncio.new_event_loop()
        self._guardian = Guardian(
            self._farms, Overrides(), applier=self.paper, events=EventLog(), count=lambda: dict[int, int]()
        )
        self._watching: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self.cast.__enter__()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.cast.__exit__(*error)

    def status(self) -> tuple[FarmStatus, ...]:
        return asyncio.run_coroutine_threadsafe(self._status(), self._loop).result()

    def fetch(self) -> Mapping[str, Mapping[str, object]]:
        return {}

    async def _begin(self) -> None:
        self._watching = asyncio.create_task(self._guardian.run())
        # Until it has begun there is nothing to ask it.
        await asyncio.sleep(0)

    async def _end(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _status(self) -> tuple[FarmStatus, ...]:
        return survey(self._farms, Overrides(), self.paper.read(), {}, sights(self._guardian.health()))


def _free_ports() -> Ports:
    found = []
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as one:
            one.bind((LOOPBACK, 0))
            found.append(one.getsockname()[1])
    return Ports(*found)
