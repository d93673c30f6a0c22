"""A guardian as a program: watches the farms of a file, prints its events as JSON, reads the file again on SIGHUP."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress

from noidlb.config.load import load
from noidlb.events import EventLog, to_json
from noidlb.guardian.applier import NftApplier
from noidlb.guardian.guardian import Guardian
from noidlb.overrides import Overrides


async def main(file: str) -> None:
    """Runs until SIGTERM."""
    log = EventLog()
    log.subscribe(lambda event: print(to_json(event), flush=True))
    guardian = Guardian(load(file), Overrides(), applier=NftApplier(), events=log)
    loop, task = asyncio.get_running_loop(), asyncio.create_task(guardian.run())
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    loop.add_signal_handler(signal.SIGHUP, lambda: guardian.configure(load(file), Overrides()))
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
