"""How long readers and operators keep the guardian's loop from its checks, with 10,000 backends.

A slice is what the loop does between two looks at its sockets, in CPU time of its thread: a check that is due within it
starts at its end. What other programs do to the machine does not count.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from noidlb.config.load import parse
from noidlb.events import EventLog
from noidlb.guardian.guardian import Guardian
from noidlb.overrides import Overrides
from noidlb.role import Role
from noidlb.service.defects import Defects
from noidlb.service.http import MetricsServer
from noidlb.service.operations import Operations
from noidlb.service.paced import exempt, sparing, take_turns
from noidlb.service.pages import Pages
from noidlb.service.requests import RequestHandler
from noidlb.service.server import ControlServer
from noidlb.service.state import StateFolder
from noidlb.service.state_store import StateStore

from integration.bench.greeter import greeter
from integration.bench.loopback_farms import farms_text, own_network

COUNT, INTERVAL = 10_000, 10.0
READS = 5
GOAL = 0.005
_READER = """\
import socket, sys, time
for _ in range(int(sys.argv[3])):
    time.sleep(1.2)
    with socket.socket(socket.AF_UNIX if sys.argv[1] == "unix" else socket.AF_INET) as one:
        one.connect(sys.argv[2] if sys.argv[1] == "unix" else ("127.0.0.1", int(sys.argv[2])))
        one.sendall(open(sys.argv[4], "rb").read())
        got = 0
        while data := one.recv(1 << 20):
            got += len(data)
            if sys.argv[1] == "unix" and data.endswith(b"\\n"):
                break
print(got)
"""


class Slices:
    """The CPU seconds between two looks of a loop at its sockets: the longest, and how many were above the goal."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        selector = loop._selector  # type: ignore[attr-defined]  # the only place that sees each round of the loop
        self._select = selector.select
        selector.select = self._look
        self.clear()

    def clear(self) -> None:
        """Begins again."""
        self.longest, self.above, self._since = 0.0, 0, time.thread_time()

    def _look(self, timeout: float | None) -> object:
        took = time.thread_time() - self._since
        self.longest, self.above = max(self.longest, took), self.above + (took > GOAL)
        found = self._select(timeout)
        self._since = time.thread_time()
        return found


def main() -> None:
    """Prints a line for each kind of reader."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    take_turns()
    own_network()
    print(f"{COUNT:,} backends every {INTERVAL:g} s, read {READS} times; goal: no slice above {1000 * GOAL:g} ms")
    with greeter(core=1) as port, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(port, Path(folder)))


async def _measure(port: int, folder: Path) -> None:
    configuration, events = parse(farms_text(port, COUNT, INTERVAL)), EventLog()
    guardian = Guardian(configuration, Overrides(), events=events)
    running = Operations(guardian, StateStore(StateFolder(folder), events), events, configuration, Overrides())
    pages = Pages(lambda: running.view(Role.ALONE, {}), guardian.each_health, lambda: [], events, Defects(events))
    metrics = MetricsServer(pages.routes, lambda doing, defect: print(doing, repr(defect)))

    async def reload(*, cut: bool) -> list[str]:
        """Adopts the configuration with another weight, as the service does after it has read its file."""
        changed = configuration.text.replace(" }", ", weight = 2 }", 1)
        with sparing():
            return await running.adopt(await asyncio.to_thread(parse, changed), cut=cut)

    control = ControlServer(folder / "socket", RequestHandler(running, events, reload).answer, events)
    async with AsyncExitStack() as stack:
        task = asyncio.create_task(guardian.run())
        stack.callback(task.cancel)
        await guardian.settle()
        await metrics.open("127.0.0.1", 0)
        stack.push_async_callback(metrics.close)
        await control.open()
        stack.push_async_callback(control.close)
        pages.start()
        stack.push_async_callback(pages.close)
        await asyncio.sleep(2 * INTERVAL)
        # As the service does.
        exempt(1)
        slices = Slices(asyncio.get_running_loop())
        diff = json.dumps({"do": "diff", "text": configuration.text})
        for name, kind, sent in (
            ("no reader", "", ""),
            ("/metrics", "tcp", "GET /metrics HTTP/1.1\r\n\r\n"),
            ("/", "tcp", "GET / HTTP/1.1\r\n\r\n"),
            ("status", "unix", '{"do": "status"}\n'),
            ("diff", "unix", f"{diff}\n"),
            ("drain", "unix", '{"do": "drain", "farm": "f0", "backend": "b0"}\n'),
            ("up", "unix", '{"do": "up", "farm": "f0", "backend": "b0"}\n'),
            ("reload", "unix", '{"do": "reload"}\n'),
        ):
            (folder / "sent").write_text(sent)
            where = str(metrics.port) if kind == "tcp" else str(folder / "socket")
            argv = [sys.executable, "-c", _READER, kind, where, str(READS), str(folder / "sent")] if kind else []
            await _read(name, argv, guardian, slices)


async def _read(name: str, argv: list[str], guardian: Guardian, slices: Slices) -> None:
    reader = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) if argv else None  # noqa: ASYNC220  # before it is measured
    guardian._schedule.latest = 0.0
    before, cpu, begin = guardian.counts.started, time.process_time(), time.monotonic()
    slices.clear()
    size = ""
    if reader is None:
        await asyncio.sleep(1.2 * READS)
    else:
        size = f"{int((await asyncio.to_thread(reader.communicate))[0]) / 1e6:.1f} MB"
    took, used = time.monotonic() - begin, time.process_time() - cpu
    print(
        f"{name:10} {size:8} longest slice {1000 * slices.longest:.1f} ms, {slices.above} above the goal, "
        f"{100 * used / took:.0f} % of a core, {guardian.counts.started - before} checks, "
        f"latest start {1000 * guardian.counts.latest:.0f} ms late",
        flush=True,
    )


if __name__ == "__main__":
    main()
