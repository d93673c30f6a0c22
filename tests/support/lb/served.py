"""A service that runs in this process; the kernel alone is played."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from noidlb.events import Event, EventLog
from noidlb.service.client import ask
from noidlb.service.service import Options, Service
from noidlb.service.state import StateFolder

from noidchecks.systemd import Notifier
from tests.support.lb.fake_nft import FakeKernel
from tests.support.waiting import until_async as until


def text(command: str = "/bin/true HOST", *, farm: str = "f", service: str = "", vip: str = "192.0.2.10") -> str:
    """Returns a configuration of one farm with two backends."""
    lines = [f'[farms.{farm}]\nprotocol = "tcp"\nvip = "{vip}"\nports = 80']
    lines += [f'[[farms.{farm}.backends]]\nname = "b{one}"\naddress = "10.20.{one}.2"' for one in (1, 2)]
    lines += [f'[farms.{farm}.guardian]\ncommand = "{command}"\ninterval = "200ms"\nfast-interval = "50ms"\nfall = 2']
    lines += ["shared-check = true"] if "HOST" not in command else []
    return "\n".join((service, *lines, ""))


class Served:
    """A running service, its played kernel, what it says and how it is asked."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "farms.toml"
        self.folder = StateFolder(folder / "state")
        self.kernel = FakeKernel()
        self.events: list[Event] = []
        self.told: list[str] = []
        self.log = EventLog()
        self.log.subscribe(self.events.append)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "manager"))
        self.manager.setblocking(False)
        self.path = folder / "state" / "control"
        self.options = Options(file=str(self.file), folder=self.folder, socket=self.path)
        self.notifier = Notifier({"NOTIFY_SOCKET": str(folder / "manager"), "WATCHDOG_USEC": "300000"})
        self.service = Service(self.options, self.log, notifier=self.notifier, applier=self.kernel)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def hear(self) -> list[str]:
        """Returns all that the service manager has been told."""
        while True:
            try:
                self.told.append(self.manager.recv(4096).decode())
            except BlockingIOError:
                return self.told

    async def is_still(self) -> None:
        """Waits until both backends are up, for the kernel too; no transaction comes by itself any more."""
        await until(lambda: self.kinds().count("up") == 2)
        assert self.service._running is not None
        await self.service._running.guardian.settle()

    async def ask(self, do: str, **request: Any) -> dict[str, Any]:
        answer = await asyncio.to_thread(ask, self.path, {"do": do, **request})
        assert answer is not None
        return answer


@asynccontextmanager
async def running(served: Served) -> AsyncIterator[asyncio.Task[int]]:
    """Lets it run, and ends it by SIGTERM."""
    # A queue of datagrams is short, and what does not fit into it is lost.
    asyncio.get_running_loop().add_reader(served.manager, served.hear)
    task = asyncio.create_task(served.service.run())
    try:
        await until(lambda: task.done() or "start" in served.kinds())
        yield task
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(30):
            await asyncio.wait([task])
        asyncio.get_running_loop().remove_reader(served.manager)
