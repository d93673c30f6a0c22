"""What reaches the table, and when: changes that come together, refusals, weights, the floor, others' changes."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from noidlb.farm import BackendState, Conditions, Farm, Scheduler
from noidlb.guardian.applier import ApplyResult
from noidlb.nft.compile import compile_table
from noidlb.nft.marks import Marks
from noidlb.nft.run import KernelError
from noidlb.nft.skeleton import VERSION
from noidlb.nft.table import Snapshot
from noidlb.overrides import Overrides

from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.farms import farm
from tests.support.lb.guardians import FTP, running, watched
from tests.support.peers import Peer, close
from tests.support.waiting import until_async as until

UP, DOWN = BackendState.UP, BackendState.DOWN


async def test_a_refusing_nft_is_reported_and_tried_again() -> None:
    kernel = FakeKernel()
    kernel.failures = 3
    with Peer(FTP) as peer:
        async with running(watched(peer.port), kernel=kernel) as (guardian, events):
            await until(lambda: kernel.state("b1") is UP)
            await guardian.settle()
            assert guardian.counts.failed_transactions == 3
    kinds = [event.kind for event in events]
    assert kinds.count("apply-failed") == 3
    assert "applied" in kinds[kinds.index("apply-failed") :]
    assert next(event.reason for event in events if event.kind == "apply-failed") == "nft refuses"


async def test_who_waits_for_a_change_hurries_no_later_attempt() -> None:
    kernel = FakeKernel()
    async with running(watched(1), kernel=kernel) as (guardian, _):
        await guardian.settle()
        kernel.failures = 1000
        guardian.configure((watched(1),), Overrides(stopped=frozenset({"f"})))
        with pytest.raises(KernelError):
            await guardian.settle()
        failed = guardian.counts.failed_transactions
        # The first attempt is after 0.2 s, the second 0.4 s later.
        await asyncio.sleep(0.1)
        assert guardian.counts.failed_transactions == failed
        await asyncio.sleep(0.4)
        assert guardian.counts.failed_transactions <= failed + 1


async def test_flows_that_conntrack_could_not_end_are_ended_without_another_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("noidlb.guardian.reconciler._RETRY_ENDING", 0.05)
    kernel = FakeKernel()
    kernel.end_failures = 3
    with Peer(FTP) as well:
        one = watched(well.port, cut_connections=True)
        async with running(one, kernel=kernel) as (guardian, events):
            await until(lambda: kernel.state("b1") is UP)
            guardian.configure((one,), Overrides({("f", "b1"): DOWN}))
            await guardian.settle()
            assert kernel.state("b1") is DOWN
            await until(lambda: kernel.ended > 0)
            await until(lambda: events[-1].kind == "applied")
            transactions = guardian.counts.transactions
            guardian.configure((one,), Overrides({("f", "b1"): DOWN}))
            await guardian.settle()
            assert guardian.counts.transactions == transactions
    told = [event.reason for event in events if event.kind in ("apply-failed", "applied")][-4:]
    assert told == ["conntrack fails"] * 3 + ["the flows that could not be ended before are ended"]


async def test_settle_raises_what_the_kernel_refuses_until_it_takes_it() -> None:
    kernel = FakeKernel()
    kernel.failures = 1000
    async with running(watched(1), kernel=kernel) as (guardian, _):
        async with asyncio.timeout(30):
            with pytest.raises(KernelError) as raised:
                await guardian.settle()
        assert kernel.conditions == []
        assert str(guardian.reconciler.failure) == str(raised.value)
        kernel.failures = 0
        await until(lambda: not guardian.reconciler.failure)
        await guardian.settle()
        assert kernel.conditions


class BusyKernel(FakeKernel):
    """While it takes a change, the next one is requested, as by backends that flap faster than a busy nft works."""

    request: Callable[[], object] | None = None

    def apply(self, farms: tuple[Farm, ...], conditions: Conditions, stopped: frozenset[str]) -> ApplyResult:
        if self.request is not None:
            self.request()
            time.sleep(0.01)
        return super().apply(farms, conditions, stopped)


async def test_settle_waits_for_the_changes_before_it_and_not_for_those_after() -> None:
    kernel = BusyKernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port), kernel=kernel) as (guardian, _):
            await until(lambda: kernel.state("b1") is UP)
            loop = asyncio.get_running_loop()
            kernel.request = partial(loop.call_soon_threadsafe, guardian.reconciler.request, {"f"}, float("inf"))
            guardian.reconciler.request({"f"}, 0.0)
            await asyncio.sleep(0.1)
            guardian.configure(guardian._farms, Overrides({("f", "b1"): DOWN}))
            async with asyncio.timeout(30):
                await guardian.settle()
            assert kernel.state("b1") is DOWN
            kernel.request = None


async def test_failures_that_come_together_go_together() -> None:
    kernel = FakeKernel()
    peer = Peer(FTP)
    farms = tuple(
        replace(watched(*[peer.port] * 50, name=f"f{number}", command="check_ftp -H 127.0.0.1 -p PORT"), ports=(port,))
        for number, port in enumerate(range(3000, 3010))
    )
    async with running(*farms, kernel=kernel) as (guardian, _):
        await until(lambda: all(health.state == "up" for health in guardian.health()))
        await guardian.settle()
        before = len(kernel.conditions)
        peer.close()
        await until(lambda: all(health.state == "down" for health in guardian.health()))
        await guardian.settle()
        assert {one.state for one in kernel.conditions[-1].values()} == {DOWN}
        assert len(kernel.conditions) - before <= 5


async def test_checks_start_while_many_farms_are_computed_and_newer_farms_win() -> None:
    kernel = FakeKernel()
    farms = tuple(replace(watched(1, name=f"f{number}"), ports=(3000 + number,)) for number in range(30))
    async with running(*farms, kernel=kernel) as (guardian, _):
        await guardian.settle()
        guardian.configure(farms, Overrides({(one.name, "b1"): DOWN for one in farms}))
        settling = asyncio.create_task(guardian.settle())
        turns = 0
        while not settling.done() and turns < 10:
            turns += 1
            await asyncio.sleep(0)
        # Ten rounds of the loop are not enough for 30 farms.
        assert not settling.done()
        before = len(kernel.conditions)
        guardian.configure((watched(1, name="new"),))
        await settling
        await guardian.settle()
        assert [{name for name, _ in one} for one in kernel.conditions[before:]][-1] == {"new"}


async def test_settle_waits_for_changes_that_newer_farms_overtake() -> None:
    kernel = FakeKernel()
    farms = tuple(replace(watched(1, name=f"f{number}"), ports=(3000 + number,)) for number in range(30))
    async with running(*farms, kernel=kernel) as (guardian, _):
        await guardian.settle()
        guardian.configure(farms, Overrides({(one.name, "b1"): DOWN for one in farms}))
        settling = asyncio.create_task(guardian.settle())
        for _ in range(5):
            await asyncio.sleep(0)
        # The farms are being computed, one after another, and the last one goes.
        guardian.configure(farms[:-1])
        await settling
        assert {name for name, _ in kernel.conditions[-1]} == {one.name for one in farms[:-1]}
        assert {one.state for one in kernel.conditions[-1].values()} == {DOWN}


async def test_farms_that_change_without_end_do_not_end_the_guardian() -> None:
    kernel = FakeKernel()
    one, other = watched(1), watched(1, interval=0.3)
    async with running(one, kernel=kernel) as (guardian, _):
        await guardian.settle()
        for _ in range(sys.getrecursionlimit()):
            guardian.configure((other,))
            await asyncio.sleep(0)
            one, other = other, one
        await guardian.settle()
        assert set(kernel.conditions[-1]) == {("f", "b1")}


class SlowReader(FakeKernel):
    """Reads the table as long as it takes to add a farm."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()

    def read(self) -> Snapshot | None:
        assert self.may_go_on.wait(30)
        return super().read()


async def test_a_farm_that_is_added_while_the_table_is_read_waits_for_its_first_result() -> None:
    kernel = SlowReader()
    first, added = watched(1), replace(watched(1, name="added", interval=60, fast_interval=60), ports=(3001,))
    async with running(first, kernel=kernel) as (guardian, _):
        await asyncio.sleep(0.05)
        guardian.configure((first, added))
        kernel.may_go_on.set()
        await guardian.settle()
        assert kernel.conditions[0]["added", "b1"].state is DOWN


async def test_conditions_of_backends_that_are_gone_are_forgotten() -> None:
    kernel = FakeKernel()
    async with running(watched(1), kernel=kernel) as (guardian, _):
        await guardian.settle()
        for name in ("b2", "b3"):
            one = watched(1)
            guardian.configure((replace(one, backends=(replace(one.backends[0], name=name),)),))
            await guardian.settle()
        assert set(kernel.conditions[-1]) == {("f", "b3")}


async def test_only_the_farms_that_change_are_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel()
    farms = tuple(replace(watched(1, name=f"f{number}"), ports=(3000 + number,)) for number in range(5))
    async with running(*farms, kernel=kernel) as (guardian, _):
        await until(lambda: all(health.state == "down" for health in guardian.health()))
        await guardian.settle()
        computed: list[str] = []
        merge = guardian.reconciler._merge

        def noted(one: Farm) -> None:
            computed.append(one.name)
            merge(one)

        monkeypatch.setattr(guardian.reconciler, "_merge", noted)
        for given, overrides, expected in (
            # The file is read again, and nothing has changed.
            (tuple(replace(one) for one in farms), None, []),
            ((*farms[:4], replace(farms[4], sticky=60)), None, ["f4"]),
            ((*farms[:4], replace(farms[4], sticky=60)), Overrides({("f1", "b1"): DOWN}), ["f1"]),
            (farms[:2], Overrides({("f0", "b1"): DOWN}), ["f0", "f1"]),
        ):
            computed.clear()
            guardian.configure(given, overrides)
            await guardian.settle()
            assert sorted(computed) == expected
        assert {name for name, _ in kernel.conditions[-1]} == {"f0", "f1"}


async def test_the_floor_holds_and_is_told() -> None:
    kernel = FakeKernel()
    async with running(watched(1, 2, min_backends=1), kernel=kernel) as (guardian, events):
        await until(lambda: all(health.state == "down" for health in guardian.health()))
        await guardian.settle()
        assert {kernel.state("b1"), kernel.state("b2")} == {UP, DOWN}
    reasons = {event.reason for event in events if event.kind == "floor"}
    assert reasons == {"stays in service though it fails: min-backends is 1"}


async def test_a_recovered_backend_grows_into_its_weight() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as well, Peer(close) as sick:
        one = watched(well.port, sick.port, slow_start=2.0, rise=1)
        async with running(one, kernel=kernel) as (guardian, _):
            await until(lambda: {health.state for health in guardian.health()} == {"up", "down"})
            sick._script = (FTP,)
            await until(lambda: kernel.state("b2") is UP)
            await until(lambda: kernel.conditions[-1]["f", "b2"].weight is None)
    weights = [conditions["f", "b2"].weight for conditions in kernel.conditions if conditions["f", "b2"].state is UP]
    seen = [weight for weight in weights if weight is not None]
    assert seen == sorted(seen)
    assert seen
    assert seen[0] < 100


async def test_least_connections_moves_new_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.guardian.reconciler._BALANCE_EVERY", 0.05)
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        one = replace(watched(peer.port, peer.port), scheduler=Scheduler.LEAST_CONNECTIONS)
        crowded = Marks((one,)).backend(one, "b1")
        async with running(one, kernel=kernel, count={crowded: 90}):
            await until(lambda: bool(kernel.conditions) and (kernel.conditions[-1]["f", "b2"].weight or 0) == 300)
            assert (kernel.conditions[-1]["f", "b1"].weight or 0) < 60


async def test_the_weights_of_farms_that_are_not_checked_are_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.guardian.reconciler._BALANCE_EVERY", 0.05)
    kernel = FakeKernel()
    one, other = farm("f", count=2, scheduler=Scheduler.LEAST_CONNECTIONS), farm("g", count=2)
    crowded = Marks((one, other)).backend(one, "b1")
    async with running(one, other, kernel=kernel, count={crowded: 90}) as (guardian, _):
        await until(lambda: guardian.reconciler.weights.get("f", {}).get("b2") == 300)
        assert guardian.reconciler.weights["f"]["b1"] < 60
        # Those that have all of their weight are missing.
        assert list(guardian.reconciler.weights) == ["f"]


async def test_somebody_elses_change_is_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.guardian.reconciler._LOOK_EVERY", 0.05)
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port, interval=60.0), kernel=kernel) as (guardian, _):
            await until(lambda: all(health.state == "up" for health in guardian.health()))
            await guardian.settle()
            mine = kernel.nft.table
            for table in (None, compile_table((farm("theirs"),))):
                kernel.nft.load(table)
                await until(lambda: kernel.nft.table == mine)
                # The transaction that has repaired it may not be over.
                await guardian.settle()


@pytest.mark.parametrize(("version", "marks"), [(VERSION - 1, None), (VERSION, 0x0FFFFF00)])
async def test_the_table_of_another_noidlb_balances_until_there_are_results(version: int, marks: int | None) -> None:
    """Where it has another version, or other bits for its marks: what it says of backends cannot be read."""
    kernel = FakeKernel(compile_table((farm("f", marks=marks),)))
    kernel.nft.version = version
    async with running(watched(1, command="sh -c 'sleep 0.5; echo OK' HOST"), kernel=kernel) as (guardian, _):
        await guardian.settle()
        assert [conditions["f", "b1"].state for conditions in kernel.conditions] == [UP]


async def test_the_table_of_another_noidlb_does_not_stay_for_backends_without_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("noidlb.guardian.reconciler._OLD_TABLE", 0.1)
    kernel = FakeKernel(compile_table((farm("other"),)))
    kernel.nft.version = VERSION - 1
    async with running(watched(1, command="sleep 60 HOST", timeout=100.0), kernel=kernel) as (guardian, _):
        await guardian.settle()
        assert kernel.state("b1") is DOWN
