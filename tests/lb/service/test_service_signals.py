"""What signals do to a guardian's service: an end that judges no backend, and a reload that comes while it starts."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from pathlib import Path

from tests.support.lb.served import Served, running, text
from tests.support.waiting import until_async as until


def stand_still() -> None:
    """Keeps the loop from running meanwhile: it finds the plugins' ends in the turn in which it begins to stop."""
    time.sleep(0.5)


async def test_a_check_that_ends_while_it_stops_is_no_verdict(served: Served, tmp_path: Path) -> None:
    # As a plugin that gets the SIGTERM for the service too, and takes it for a failure of its peer.
    plugin, slow, over = (tmp_path / name for name in ("plugin", "slow", "over"))
    plugin.write_text(
        f"#!/bin/sh\nwhile [ -e {slow} ]; do [ -e {over} ] && exit 2; echo >>{slow}; sleep 0.01; done\nexit 0\n"
    )
    plugin.chmod(0o755)
    served.file.write_text(text(f"{plugin} HOST").replace("fall = 2", "fall = 1"))
    async with running(served) as task:
        await served.is_still()
        slow.touch()
        await until(lambda: slow.stat().st_size > 0)
        served.service.stop()
        over.touch()
        stand_still()
        await asyncio.wait([task])
    assert "down" not in served.kinds()
    assert served.kinds()[-1] == "stop"


async def test_a_sighup_that_came_while_it_started_is_a_reload(served: Served) -> None:
    # As the command leaves it.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    try:
        # To this thread: others of the test's process may not block it.
        signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
        async with running(served):
            await until(lambda: "reload" in served.kinds())
        assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
