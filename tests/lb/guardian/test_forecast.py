from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from noidlb.farm import BackendState, Scheduler
from noidlb.guardian.forecast import joined
from noidlb.overrides import Overrides

from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.guardians import FTP, running, watched
from tests.support.peers import Peer
from tests.support.waiting import until_async as until

DOWN, UP = BackendState.DOWN, BackendState.UP


async def test_the_forecast_is_what_the_guardian_does_then() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        balanced = replace(watched(peer.port, peer.port, name="g"), scheduler=Scheduler.LEAST_CONNECTIONS)
        farms = (watched(peer.port, 1), balanced)
        overrides = Overrides({("f", "b1"): DOWN})
        async with running(*farms, kernel=kernel, overrides=overrides) as (guardian, _):
            await until(lambda: {one.state for one in guardian.health() if one.farm == "g"} == {"up"})
            await until(lambda: {one.state for one in guardian.health() if one.backend == "b2"} == {"up", "down"})
            await guardian.settle()
            assert joined(guardian.forecast(farms)).conditions == kernel.conditions[-1]
            # Known probes for a farm that is new, one that nobody has seen yet, and a farm without a guardian.
            changed = (
                watched(peer.port, 1, 2, name="h", interval=60, fast_interval=60),
                replace(watched(peer.port, peer.port, name="g"), vip=(ip_address("192.0.2.77"),)),
                replace(watched(1, name="i"), guardian=None),
            )
            foreseen = joined(guardian.forecast(changed)).conditions
            before = len(kernel.conditions)
            guardian.configure(changed, overrides)
            await guardian.settle()
            assert foreseen == kernel.conditions[before]
            assert {key: one.state for key, one in foreseen.items()} == {
                **{("h", "b1"): UP, ("h", "b2"): DOWN, ("h", "b3"): DOWN},
                **{("g", "b1"): UP, ("g", "b2"): UP, ("i", "b1"): UP},
            }
