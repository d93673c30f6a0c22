"""Guardians that run in this process, over peers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from noidlb.events import Event, EventLog
from noidlb.farm import Farm
from noidlb.guard import Guard
from noidlb.guardian.flow_table import FlowTable
from noidlb.guardian.guardian import Guardian
from noidlb.overrides import Overrides

from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.farms import farm

FTP = b"220 ready\r\n"


def watched(*ports: int, command: str = "check_ftp -H 127.0.0.1 -p PORT", name: str = "f", **settings: Any) -> Farm:
    """A farm of one backend for each port, which is looked for on loopback."""
    given = {"interval": 0.2, "fast_interval": 0.05, "timeout": 5.0, "rise": 2, "fall": 2}
    one = farm(name, count=len(ports), guardian=Guard(**{"commands": (command,), **given, **settings}))
    backends = tuple(replace(backend, port=port) for backend, port in zip(one.backends, ports, strict=True))
    return replace(one, backends=backends)


@asynccontextmanager
async def running(
    *farms: Farm,
    kernel: FakeKernel,
    overrides: Overrides | None = None,
    count: Mapping[int, int] | None = None,
    flow_table: FlowTable | None = None,
) -> AsyncIterator[tuple[Guardian, list[Event]]]:
    log, events = EventLog(), list[Event]()
    log.subscribe(events.append)
    guardian = Guardian(
        farms, overrides or Overrides(), applier=kernel, events=log, count=lambda: count or {}, flow_table=flow_table
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
