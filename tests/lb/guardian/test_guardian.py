"""The guardian over peers on loopback; the kernel is played."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from noidlb.errors import GuardError
from noidlb.farm import BackendState, Condition
from noidlb.guardian.guardian import Guardian
from noidlb.guardian.lock import take
from noidlb.nft.compile import compile_table
from noidlb.nft.table import Snapshot
from noidlb.overrides import Overrides

from tests.support.hasty_loop import HastyLoop
from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.farms import farm
from tests.support.lb.guardians import FTP, running, watched
from tests.support.peers import Peer, silent
from tests.support.waiting import until_async as until

UP, DOWN = BackendState.UP, BackendState.DOWN


class SlowKernel(FakeKernel):
    """Reads the table until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read, self.may_go_on = threading.Event(), threading.Event()

    def read(self) -> Snapshot | None:
        self.is_read.set()
        assert self.may_go_on.wait(60)
        return super().read()


async def test_the_first_result_decides_and_reaches_the_kernel() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port, 1), kernel=kernel) as (guardian, events):
            await until(lambda: {one.state for one in guardian.health()} == {"up", "down"})
            await guardian.settle()
            assert (kernel.state("b1"), kernel.state("b2")) == (UP, DOWN)
            # Nobody serves before somebody has looked.
            assert {conditions["f", "b2"].state for conditions in kernel.conditions} == {DOWN}
    found = {(event.kind, event.backend): event for event in events}
    # A table is made first, because there is none.
    assert set(found) == {("applied", ""), ("up", "b1"), ("down", "b2")}
    down = found["down", "b2"]
    assert down.reason == "connect to address 127.0.0.1 and port 1: Connection refused"
    assert (down.farm, down.probe) == ("f", "check_ftp -H 127.0.0.1 -p PORT")
    assert {event.address for event in events if event.backend == "b2"} == {"10.20.2.2:1", "[fd00:20:2::2]:1"}
    assert down.since is not None
    assert down.since <= down.time
    assert any("connect 127.0.0.1:1" in line for line in down.transcript)


async def test_settle_waits_for_the_beginning() -> None:
    kernel = FakeKernel()
    guardian = Guardian((watched(1),), applier=kernel)
    settling = asyncio.create_task(guardian.settle())
    await asyncio.sleep(0)
    task = asyncio.create_task(guardian.run())
    await guardian.settle()
    assert kernel.conditions
    await settling
    task.cancel()
    await asyncio.wait([task])


async def test_settle_ends_with_the_guardian() -> None:
    kernel = SlowKernel()
    guardian = Guardian((watched(1),), applier=kernel)
    task = asyncio.create_task(guardian.run())
    settling = asyncio.create_task(guardian.settle())
    await until(kernel.is_read.is_set)
    task.cancel()
    kernel.may_go_on.set()
    await asyncio.wait([task])
    async with asyncio.timeout(60):
        with pytest.raises(GuardError, match="the guardian has ended"):
            await settling
        guardian.configure((watched(2),))
        with pytest.raises(GuardError, match="the guardian has ended"):
            await guardian.settle()


async def test_settle_ends_with_a_guardian_that_may_not_begin() -> None:
    guardian = Guardian((watched(1),))
    settling = asyncio.create_task(guardian.settle())
    with take(), pytest.raises(GuardError, match="another guardian"):
        await guardian.run()
    async with asyncio.timeout(60):
        with pytest.raises(GuardError, match="the guardian has ended"):
            await settling


async def test_settle_waits_for_another_run_that_has_not_begun_yet() -> None:
    kernel = FakeKernel()
    guardian = Guardian((watched(1),), applier=kernel)
    for _ in range(2):
        task = asyncio.create_task(guardian.run())
        await guardian.settle()
        assert kernel.conditions
        task.cancel()
        await asyncio.wait([task])
        kernel.conditions.clear()


def test_it_may_run_again_on_the_same_loop_and_on_another() -> None:
    kernel = FakeKernel()
    seen = {("b1", "up"), ("b2", "down"), ("b3", "down")}

    async def run_twice(guardian: Guardian) -> None:
        for _ in range(2):
            task = asyncio.create_task(guardian.run())
            # Let it begin.
            await asyncio.sleep(0)
            # Each run looks for itself, also at the backends whose checks were under way when the last one ended.
            assert {one.state for one in guardian.health()} == {"unknown"}
            await until(lambda: {(one.backend, one.state) for one in guardian.health()} == seen)
            await guardian.settle()
            assert [kernel.state(name) for name in ("b1", "b2", "b3")] == [UP, DOWN, DOWN]
            await until(lambda: guardian.counts.running)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            with pytest.raises(GuardError, match="the guardian has ended"):
                await guardian.settle()

    with Peer(FTP) as peer, Peer(silent) as hung:
        guardian = Guardian((watched(peer.port, 1, hung.port, timeout=0.3),), applier=kernel)
        for _ in range(2):
            asyncio.run(run_twice(guardian))


def test_it_runs_on_a_loop_whose_timers_need_not_tell_their_time() -> None:
    kernel = FakeKernel()
    defects = list[object]()

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context["exception"]))
        async with running(watched(peer.port, 1, interval=0.05), kernel=kernel) as (guardian, _):
            await until(lambda: guardian.counts.started > 20)

    with Peer(FTP) as peer, asyncio.Runner(loop_factory=HastyLoop) as runner:
        runner.run(run())
    assert not defects


async def test_a_death_is_seen_and_a_return_too() -> None:
    kernel = FakeKernel()
    peer = Peer(FTP)
    async with running(watched(peer.port), kernel=kernel) as (guardian, events):
        await until(lambda: kernel.state("b1") is UP)
        peer.close()
        await until(lambda: kernel.state("b1") is DOWN)
        (one, *_) = guardian.health()
        assert (one.state, one.flaps, one.streak) == ("down", 1, 0)
        assert one.last is not None
        assert one.since is not None
        assert guardian.counts.flips >= 4
        assert [event.kind for event in events if event.backend == "b1"][:2] == ["up", "up"]


async def test_one_failure_that_decides_has_its_transcript() -> None:
    kernel = FakeKernel()
    peer = Peer(FTP)
    async with running(watched(peer.port, fall=1), kernel=kernel) as (guardian, events):
        await until(lambda: all(one.state == "up" for one in guardian.health()))
        peer.close()
        await until(lambda: all(one.state == "down" for one in guardian.health()))
    down = next(event for event in events if event.kind == "down")
    assert any("connect" in line for line in down.transcript)


async def test_who_was_in_the_table_stays_there_until_somebody_has_looked() -> None:
    with Peer(silent) as peer:
        one = watched(peer.port, peer.port, peer.port)
        table = compile_table((one,), {("f", "b2"): Condition(DOWN)})
        kernel = FakeKernel(table)
        async with running(one, kernel=kernel) as (guardian, _):
            await until(lambda: guardian.counts.running > 0 and len(kernel.conditions) > 0)
            assert [kernel.state(name) for name in ("b1", "b2", "b3")] == [UP, DOWN, UP]


async def test_words_hold_and_can_be_lifted() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        one = watched(peer.port, peer.port)
        async with running(one, kernel=kernel, overrides=Overrides({("f", "b1"): DOWN})) as (guardian, _):
            await until(lambda: kernel.state("b2") is UP)
            assert kernel.state("b1") is DOWN
            probes = sum(health.probes for health in guardian.health())
            guardian.configure((one,), Overrides())
            await guardian.settle()
            # Known to be well, it serves without another look.
            assert kernel.state("b1") is UP
            assert sum(health.probes for health in guardian.health()) >= probes > 0


async def test_the_password_of_a_command_is_in_no_event_and_no_health() -> None:
    command = "check_sftp -H 127.0.0.1 -p PORT --user mon --secret geheim123"
    async with running(watched(1, command=command), kernel=FakeKernel()) as (guardian, events):
        await until(lambda: any(event.kind == "down" for event in events))
        health = guardian.health()
    assert "geheim123" not in f"{events} {health}"
    shown = "check_sftp -H 127.0.0.1 -p PORT --user mon --secret '****'"
    assert {one.command for one in health} == {event.probe for event in events if event.kind == "down"} == {shown}


async def test_one_probe_serves_all_farms_that_ask_for_it() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        farms = [watched(peer.port, name=f"f{number}", interval=60.0, fast_interval=60.0) for number in range(3)]
        farms = [replace(one, ports=(3000 + number,)) for number, one in enumerate(farms)]
        async with running(*farms, kernel=kernel) as (guardian, _):
            await until(lambda: all(health.state == "up" for health in guardian.health()))
            assert guardian.counts.targets == 1
            # On a busy machine its second beat, soon after the first, may have come.
            assert guardian.counts.started < len(farms)
            assert len(guardian.health()) == 6
            await guardian.settle()
            assert {kernel.state("b1", f"f{number}") for number in range(3)} == {UP}


async def test_a_foreign_command_is_watched_too() -> None:
    kernel = FakeKernel()
    command = "/bin/echo HOST is fine"
    async with running(watched(7, command=command), kernel=kernel) as (guardian, events):
        await until(lambda: all(health.state == "up" for health in guardian.health()))
        reasons = {event.reason for event in events if event.kind == "up"}
    assert reasons == {"10.20.1.2 is fine", "fd00:20:1::2 is fine"}


async def test_without_a_guardian_there_is_nothing_to_probe() -> None:
    kernel = FakeKernel()
    async with running(farm(), kernel=kernel) as (guardian, events):
        await until(lambda: len(kernel.conditions) > 0)
        await guardian.settle()
        assert {one.state for one in kernel.conditions[-1].values()} == {UP}
        assert (guardian.health(), guardian.counts.targets) == ((), 0)
        assert [event.kind for event in events] == ["applied"]
