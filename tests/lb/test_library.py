from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import noidlb
import pytest
from noidlb.farm import BackendState
from noidlb.guardian import lock

from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.guardians import FTP, watched
from tests.support.peers import Peer
from tests.support.waiting import until_async as until


def test_every_name_is_there() -> None:
    for name in noidlb.__all__:
        assert getattr(noidlb, name).__name__ == name
    assert set(noidlb.__all__) == set(noidlb._HOMES)
    assert set(noidlb.__all__) <= set(dir(noidlb))


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Gardian'"):
        _ = noidlb.Gardian


async def test_a_guardian_needs_farms_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel()
    monkeypatch.setattr("noidlb.guardian.guardian.NftApplier", lambda: kernel)
    with Peer(FTP) as peer:
        guardian = noidlb.Guardian(noidlb.Configuration((watched(peer.port),)))
        events: list[noidlb.Event] = []
        guardian.events.subscribe(events.append)
        task = asyncio.create_task(guardian.run())
        await until(lambda: bool(kernel.conditions) and kernel.state("b1") is BackendState.UP)
        # It is the only one, as `noidlb guard` is.
        with pytest.raises(noidlb.GuardError, match=f"already: process {os.getpid()}"):
            await noidlb.Guardian((watched(peer.port),)).run()
        guardian.configure((watched(peer.port, name="g"),))
        await guardian.settle()
        assert kernel.state("b1", "g") is BackendState.UP
        task.cancel()
        await asyncio.wait([task])
    assert "up" in {event.kind for event in events}
    assert kernel.closed
    assert lock.holder() == ""


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    script = "import sys, lb; sys.exit('asyncio' in sys.modules or 'noidlb.guardian.guardian' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
