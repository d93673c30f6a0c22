from __future__ import annotations

import json
import time
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from noidlb.farm import BackendState, Scheduler
from noidlb.guardian.guardian import Guardian
from noidlb.guardian.lock import GuardError
from noidlb.guardian.outlook import Knowledge, tell, understand
from noidlb.overrides import Overrides

from tests.lb.guardian.test_guardian import FTP, Kernel, running, watched
from tests.support.lb.waiting import until
from tests.support.peers import Peer

DOWN, UP = BackendState.DOWN, BackendState.UP


def told(guardian: Guardian) -> Knowledge:
    """What another process is told."""
    return understand(json.loads(json.dumps(tell(guardian.knowledge()))))


async def test_another_process_foresees_what_the_guardian_will_do() -> None:
    kernel = Kernel()
    with Peer(FTP) as peer:
        balanced = replace(watched(peer.port, peer.port, name="g"), scheduler=Scheduler.LEAST_CONNECTIONS)
        farms = (watched(peer.port, 1), balanced)
        words = Overrides({("f", "b1"): DOWN})
        async with running(*farms, kernel=kernel, words=words) as (guardian, _):
            await until(lambda: {one.state for one in guardian.health() if one.farm == "g"} == {"up"})
            await until(lambda: {one.state for one in guardian.health() if one.backend == "b2"} == {"up", "down"})
            await guardian.settle()
            assert told(guardian).conditions(farms, time.monotonic()) == kernel.conditions[-1]
            # Known probes for a farm that is new, one that nobody has seen yet, and a farm without a guardian.
            changed = (
                watched(peer.port, 1, 2, name="h", interval=60, fast_interval=60),
                replace(watched(peer.port, peer.port, name="g"), vip=(ip_address("192.0.2.77"),)),
                replace(watched(1, name="i"), guardian=None),
            )
            foreseen = told(guardian).conditions(changed, time.monotonic())
            before = len(kernel.conditions)
            guardian.configure(changed, words)
            await guardian.settle()
            assert foreseen == kernel.conditions[before]
            assert {key: one.state for key, one in foreseen.items()} == {
                **{("h", "b1"): UP, ("h", "b2"): DOWN, ("h", "b3"): DOWN},
                **{("g", "b1"): UP, ("g", "b2"): UP, ("i", "b1"): UP},
            }


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"words": {}, "probes": [], "present": [], "shares": {}},
        {"words": {"version": 1, "backends": {}, "stopped": [], "all-stopped": False}, "probes": [1]},
        {"words": {"version": 1, "backends": {}, "stopped": [], "all-stopped": False}, "probes": [[["x"], 1, [[1]]]]},
    ],
)
def test_what_is_not_understood_is_said(answer: Any) -> None:
    with pytest.raises(GuardError, match="it is of another version"):
        understand(answer)
