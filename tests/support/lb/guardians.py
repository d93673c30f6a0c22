"""Guardians that run in this process, over peers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from noidlb.events import Event, EventLog
from noidlb.farm import BackendState, Conditions, Farm
from noidlb.guard import Guard
from noidlb.guardian.applier import ApplyResult
from noidlb.guardian.flow_table import FlowTable
from noidlb.guardian.guardian import Guardian
from noidlb.nft.listing import Snapshot
from noidlb.nft.nft import KernelError
from noidlb.overrides import Overrides

from tests.support.lb.farms import farm

FTP = b"220 ready\r\n"


class Kernel:
    """Takes down what it is told; fails as often as asked for."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot
        self.conditions: list[Conditions] = []
        self.failures = 0
        self.disturbed = False
        self.closed = False

    def read(self) -> Snapshot | None:
        return self.snapshot

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
        if self.failures:
            self.failures -= 1
            raise KernelError("nft refuses")
        self.conditions.append(conditions)
        return ApplyResult(1)

    def is_disturbed(self) -> bool:
        return self.disturbed

    def close(self) -> None:
        self.closed = True

    def state(self, backend: str, farm: str = "f") -> BackendState | None:
        """Returns what it was told last; None when nothing has reached it yet."""
        return self.conditions[-1][farm, backend].state if self.conditions else None


def watched(*ports: int, command: str = "check_ftp -H 127.0.0.1 -p PORT", name: str = "f", **settings: Any) -> Farm:
    """A farm of one backend for each port, which is looked for on loopback."""
    given = {"interval": 0.2, "fast_interval": 0.05, "timeout": 5.0, "rise": 2, "fall": 2}
    one = farm(name, count=len(ports), guardian=Guard(**{"commands": (command,), **given, **settings}))
    backends = tuple(replace(backend, port=port) for backend, port in zip(one.backends, ports, strict=True))
    return replace(one, backends=backends)


@asynccontextmanager
async def running(
    *farms: Farm,
    kernel: Kernel,
    words: Overrides | None = None,
    count: Mapping[int, int] | None = None,
    flow_table: FlowTable | None = None,
) -> AsyncIterator[tuple[Guardian, list[Event]]]:
    log, events = EventLog(), list[Event]()
    log.subscribe(events.append)
    guardian = Guardian(
        farms, words or Overrides(), applier=kernel, events=log, count=lambda: count or {}, flow_table=flow_table
    )
    task = asyncio.create_task(guardian.run())
    # Let it begin.
    await asyncio.sleep(0)
    try:
        yield guardian, events
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert kernel.closed
