from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

import lb
from lb import lock
from lb.farm import BackendState
from tests.fakes.peers import Peer

from .test_watch import FTP, Kernel, watched
from .waiting import until


def test_every_name_is_there() -> None:
    for name in lb.__all__:
        assert getattr(lb, name).__name__ == name
    assert set(lb.__all__) == set(lb._HOMES)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Gardian'"):
        _ = lb.Gardian


async def test_a_guardian_needs_farms_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel()
    monkeypatch.setattr("lb.watch.Actuator", lambda: kernel)
    with Peer(FTP) as peer:
        guardian = lb.Guardian((watched(peer.port),))
        events: list[lb.Event] = []
        guardian.events.subscribe(events.append)
        task = asyncio.create_task(guardian.run())
        await until(lambda: bool(kernel.conditions) and kernel.state("b1") is BackendState.UP)
        # It is the only one, as `noidlb guard` is.
        with pytest.raises(lb.GuardError, match=f"already: process {os.getpid()}"):
            await lb.Guardian((watched(peer.port),)).run()
        guardian.configure((watched(peer.port, name="g"),))
        await guardian.settle()
        assert kernel.state("b1", "g") is BackendState.UP
        task.cancel()
        await asyncio.wait([task])
    assert "up" in {event.kind for event in events}
    assert kernel.closed
    assert lock.holder() == ""


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    script = "import sys, lb; sys.exit('asyncio' in sys.modules or 'lb.watch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
