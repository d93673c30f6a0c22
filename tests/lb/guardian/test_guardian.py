"""The guardian over peers on loopback; the kernel is played."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from ipaddress import ip_address
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import pytest
from noidlb.events import EventLog
from noidlb.farm import BackendState, Condition, Scheduler
from noidlb.guard import Guard
from noidlb.guardian.flow_table import FlowTable
from noidlb.guardian.guardian import Guardian
from noidlb.nft.compile import compile_table
from noidlb.nft.listing import Snapshot
from noidlb.nft.marks import Marks
from noidlb.nft.nft import KernelError
from noidlb.nft.skeleton import VERSION
from noidlb.overrides import Overrides

from tests.support.lb.farms import farm
from tests.support.lb.guardians import FTP, Kernel, running, watched
from tests.support.lb.proc import Proc
from tests.support.lb.waiting import until
from tests.support.peers import Peer, close, silent

UP, DOWN = BackendState.UP, BackendState.DOWN
# It says nothing of whether packets came and went.
OVERDUE = "sh -c 'sleep 60' HOST"


async def test_the_first_result_decides_and_reaches_the_kernel() -> None:
    kernel = Kernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port, 1), kernel=kernel) as (guardian, events):
            await until(lambda: {one.state for one in guardian.health()} == {"up", "down"})
            await guardian.settle()
            assert (kernel.state("b1"), kernel.state("b2")) == (UP, DOWN)
            # Nobody serves before somebody has looked.
            assert {conditions["f", "b2"].state for conditions in kernel.conditions} == {DOWN}
    found = {(event.kind, event.backend): event for event in events}
    assert set(found) == {("up", "b1"), ("down", "b2")}
    down = found["down", "b2"]
    assert down.reason == "connect to address 127.0.0.1 and port 1: Connection refused"
    assert (down.farm, down.probe) == ("f", "check_ftp -H 127.0.0.1 -p PORT")
    assert {event.address for event in events if event.backend == "b2"} == {"10.20.2.2:1", "[fd00:20:2::2]:1"}
    assert down.since is not None
    assert down.since <= down.time
    assert any("connect 127.0.0.1:1" in line for line in down.transcript)


async def test_a_death_is_seen_and_a_return_too() -> None:
    kernel = Kernel()
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
    kernel = Kernel()
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
        kernel = Kernel(Snapshot(VERSION, table))
        async with running(one, kernel=kernel) as (guardian, _):
            await until(lambda: guardian.counts.running > 0 and len(kernel.conditions) > 0)
            assert [kernel.state(name) for name in ("b1", "b2", "b3")] == [UP, DOWN, UP]


async def test_words_hold_and_can_be_lifted() -> None:
    kernel = Kernel()
    with Peer(FTP) as peer:
        one = watched(peer.port, peer.port)
        async with running(one, kernel=kernel, words=Overrides({("f", "b1"): DOWN})) as (guardian, _):
            await until(lambda: kernel.state("b2") is UP)
            assert kernel.state("b1") is DOWN
            probes = sum(health.probes for health in guardian.health())
            guardian.configure((one,), Overrides())
            await guardian.settle()
            # Known to be well, it serves without another look.
            assert kernel.state("b1") is UP
            assert sum(health.probes for health in guardian.health()) >= probes > 0


async def test_one_probe_serves_all_farms_that_ask_for_it() -> None:
    kernel = Kernel()
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


async def test_a_refusing_nft_is_reported_and_tried_again() -> None:
    kernel = Kernel()
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


async def test_settle_raises_what_the_kernel_refuses_until_it_takes_it() -> None:
    kernel = Kernel()
    kernel.failures = 1000
    async with running(watched(1), kernel=kernel) as (guardian, _):
        async with asyncio.timeout(30):
            with pytest.raises(KernelError) as raised:
                await guardian.settle()
        assert kernel.conditions == []
        assert guardian.failure == str(raised.value)
        kernel.failures = 0
        await until(lambda: not guardian.failure)
        await guardian.settle()
        assert kernel.conditions


async def test_failures_that_come_together_go_together() -> None:
    kernel = Kernel()
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


async def test_the_floor_holds_and_is_told() -> None:
    kernel = Kernel()
    async with running(watched(1, 2, min_backends=1), kernel=kernel) as (guardian, events):
        await until(lambda: all(health.state == "down" for health in guardian.health()))
        await guardian.settle()
        assert {kernel.state("b1"), kernel.state("b2")} == {UP, DOWN}
    reasons = {event.reason for event in events if event.kind == "floor"}
    assert reasons == {"stays in service though it fails: min-backends is 1"}


async def test_a_recovered_backend_grows_into_its_weight() -> None:
    kernel = Kernel()
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
    kernel = Kernel()
    with Peer(FTP) as peer:
        one = replace(watched(peer.port, peer.port), scheduler=Scheduler.LEAST_CONNECTIONS)
        crowded = Marks((one,)).backend(one, "b1")
        async with running(one, kernel=kernel, count={crowded: 90}):
            await until(lambda: bool(kernel.conditions) and (kernel.conditions[-1]["f", "b2"].weight or 0) == 300)
            assert (kernel.conditions[-1]["f", "b1"].weight or 0) < 60


async def test_somebody_elses_change_is_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.guardian.reconciler._LOOK_EVERY", 0.05)
    kernel = Kernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port, interval=60.0), kernel=kernel) as (guardian, _):
            await until(lambda: all(health.state == "up" for health in guardian.health()))
            await guardian.settle()
            before = len(kernel.conditions)
            kernel.disturbed = True
            await until(lambda: len(kernel.conditions) > before)


async def test_a_foreign_command_is_watched_too() -> None:
    kernel = Kernel()
    command = "/bin/echo HOST is fine"
    async with running(watched(7, command=command), kernel=kernel) as (guardian, events):
        await until(lambda: all(health.state == "up" for health in guardian.health()))
        reasons = {event.reason for event in events if event.kind == "up"}
    assert reasons == {"10.20.1.2 is fine", "fd00:20:1::2 is fine"}


async def test_a_reload_forgets_what_is_gone_and_begins_what_is_new() -> None:
    kernel = Kernel()
    with Peer(FTP) as peer:
        one, other = watched(peer.port, name="one"), replace(watched(1, name="other"), ports=(2121,))
        async with running(one, kernel=kernel) as (guardian, _):
            await until(lambda: all(health.state == "up" for health in guardian.health()))
            guardian.configure((other,), Overrides())
            await until(lambda: {health.farm for health in guardian.health() if health.probes} == {"other"})
            await guardian.settle()
            assert set(kernel.conditions[-1]) == {("other", "b1")}
            assert guardian.counts.targets == 1


async def test_without_a_guardian_there_is_nothing_to_probe() -> None:
    kernel = Kernel()
    async with running(farm(), kernel=kernel) as (guardian, events):
        await until(lambda: len(kernel.conditions) > 0)
        await guardian.settle()
        assert {one.state for one in kernel.conditions[-1].values()} == {UP}
        assert (guardian.health(), guardian.counts.targets, events) == ((), 0, [])


def test_configuring_before_the_start_is_what_it_starts_with() -> None:
    kernel = Kernel()
    guardian = Guardian((farm(),), Overrides(), applier=kernel, events=EventLog())
    guardian.configure((farm("other"),), Overrides())
    assert guardian.health() == ()
    assert re.match("Counts", repr(guardian.counts))


async def test_a_clock_that_steps_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days ahead and years back with every look: only the events' times may know of it."""
    clock = SimpleNamespace(time=cycle((2e9, 1e9, 3e9, 0.0)).__next__)
    monkeypatch.setattr("noidlb.guardian.guardian.time", clock)
    monkeypatch.setattr("noidlb.guardian.reconciler.time", clock)
    kernel = Kernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port), kernel=kernel) as (guardian, events):
            await until(lambda: all(one.state == "up" and one.probes > 5 for one in guardian.health()))
            assert [event.kind for event in events if event.kind == "down"] == []
            # A busy machine may be late, but not by a step of that clock.
            assert guardian.counts.latest < 86400
            peer.close()
            await until(lambda: all(one.state == "down" for one in guardian.health()))
            await guardian.settle()
            assert kernel.state("b1") is DOWN


async def test_what_serves_goes_on_serving_until_the_first_result_of_a_new_command() -> None:
    kernel = Kernel()
    with Peer(FTP) as peer, Peer(silent) as hung:
        before = watched(peer.port, 1)
        after = watched(hung.port, hung.port, hung.port, command="check_ftp -H 127.0.0.1 -p PORT -e 220")
        async with running(before, kernel=kernel) as (guardian, _):
            await until(lambda: {one.state for one in guardian.health()} == {"up", "down"})
            await guardian.settle()
            assert guardian.forecast((before,)).unchecked == ()
            assert guardian.forecast((after,)).unchecked == ("f",)
            foreseen = guardian.forecast((after,)).conditions
            changes = len(kernel.conditions)
            guardian.configure((after,), Overrides())
            await guardian.settle()
            await until(lambda: guardian.counts.running > 0)
            assert kernel.conditions[changes] == foreseen
            # One that is new to the farm gets no clients before its first result.
            assert [kernel.state(name) for name in ("b1", "b2", "b3")] == [UP, DOWN, DOWN]
            assert {one.state for one in guardian.health()} == {"unknown"}
            # The operator's words are the guardian's affair meanwhile too.
            guardian.configure((after,), Overrides({("f", "b1"): DOWN}))
            await guardian.settle()
            guardian.configure((after,), Overrides())
            await guardian.settle()
            assert kernel.state("b1") is UP


async def test_the_first_result_of_a_new_command_decides() -> None:
    kernel = Kernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port), kernel=kernel) as (guardian, _):
            await until(lambda: kernel.state("b1") is UP)
            guardian.configure(
                (watched(peer.port, command="check_ftp -H 127.0.0.1 -p PORT -e 230 -M crit"),), Overrides()
            )
            await until(lambda: kernel.state("b1") is DOWN)


async def test_another_deadline_asks_the_same_thing() -> None:
    kernel = Kernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port, 1), kernel=kernel) as (guardian, _):
            await until(lambda: {one.state for one in guardian.health()} == {"up", "down"})
            changed = watched(peer.port, 1, timeout=3.0, interval=0.3, rise=7, fall=8)
            assert guardian.forecast((changed,)).unchecked == ()
            guardian.configure((changed,), Overrides())
            assert {one.state for one in guardian.health()} == {"up", "down"}


async def test_a_farm_that_gets_a_guardian_goes_on_serving_until_somebody_has_looked() -> None:
    kernel = Kernel()
    with Peer(silent) as hung:
        guarded = watched(hung.port, hung.port)
        async with running(replace(guarded, guardian=None), kernel=kernel) as (guardian, _):
            await until(lambda: kernel.state("b1") is UP)
            guardian.configure((guarded,), Overrides())
            await guardian.settle()
            assert [kernel.state(name) for name in ("b1", "b2")] == [UP, UP]


async def test_a_command_that_cannot_be_run_any_more_takes_nobody_out(tmp_path: Path) -> None:
    kernel = Kernel()
    plugin = tmp_path / "check_own"
    plugin.write_text('#!/bin/sh\ntest "$1" != 10.20.2.2\n')
    plugin.chmod(0o755)
    one = watched(7, 7, command=f"{plugin} HOST", fall=1)
    one = replace(
        one, backends=tuple(replace(each, address=each.address[:1]) for each in one.backends), vip=one.vip[:1]
    )
    async with running(one, kernel=kernel) as (guardian, events):
        await until(lambda: {health.state for health in guardian.health()} == {"up", "down"})
        plugin.unlink()
        await until(lambda: all(health.kept for health in guardian.health()))
        assert [health.state for health in guardian.health()] == ["up", "down"]
        assert all(str(plugin) in health.kept for health in guardian.health())
        # What is new serves, for nobody can look at it.
        new = replace(one, name="new", vip=(ip_address("192.0.2.9"),))
        guardian.configure((one, replace(new, guardian=Guard(commands=("no-such-plugin HOST",), interval=0.2))))
        await until(lambda: kernel.conditions[-1].get(("new", "b1"), Condition(DOWN)).state is UP)
        assert [kernel.state(name) for name in ("b1", "b2")] == [UP, DOWN]
        plugin.write_text("#!/bin/sh\nexit 0\n")
        plugin.chmod(0o755)
        await until(lambda: kernel.state("b2") is UP)
    told = [(event.kind, event.reason) for event in events if event.backend == "b1" and event.farm == "f"]
    assert [kind for kind, _ in told] == ["up", "keep", "note"]
    assert str(plugin) in told[1][1]


def pause(seconds: float) -> None:
    """Keeps this process, its loop too, from running; the peers have threads of their own."""
    time.sleep(seconds)


async def test_a_probe_that_ran_across_a_pause_of_this_process_is_repeated() -> None:
    kernel = Kernel()
    with Peer(0.3, FTP) as peer:
        one = watched(peer.port, timeout=1.0, fall=1, interval=0.5)
        async with running(one, kernel=kernel) as (guardian, events):
            await until(lambda: all(health.state == "up" for health in guardian.health()))
            for _ in range(3):
                await until(lambda: guardian.counts.running > 0)
                # As after SIGSTOP: the answer has come, and the deadline too.
                pause(1.5)
                probes = guardian.health()[0].probes
                await until(lambda before=probes: guardian.health()[0].probes > before)  # type: ignore[misc]
        assert guardian.counts.discarded > 0
    kinds = {event.kind for event in events}
    assert "paused" in kinds
    assert "down" not in kinds


async def test_a_machine_that_is_always_late_finds_out_the_dead_all_the_same() -> None:
    kernel = Kernel()
    one = watched(1, timeout=0.1, fall=1)
    async with running(one, kernel=kernel) as (guardian, _):
        async with asyncio.timeout(60):
            while not all(health.state == "down" for health in guardian.health()):
                await asyncio.sleep(0)
                pause(0.25)


async def test_a_full_table_of_connections_excuses_silence_and_nothing_else(tmp_path: Path) -> None:
    kernel, proc = Kernel(), Proc(tmp_path)
    hung = Peer(FTP)
    with Peer(FTP) as peer:
        one = watched(hung.port, peer.port, timeout=0.3, fall=1)
        async with running(one, kernel=kernel, flow_table=FlowTable(proc.root)) as (guardian, events):
            await until(lambda: (kernel.state("b1"), kernel.state("b2")) == (UP, UP))
            port = hung.port
            hung.close()
            proc.tell(100)
            await until(lambda: guardian.counts.is_full)
            # A refusal is an answer, full or not.
            await until(lambda: kernel.state("b1") is DOWN)
            guardian.configure((watched(port, peer.port, timeout=0.3, fall=1, command=OVERDUE),))
            await until(lambda: any(health.kept for health in guardian.health()))
            assert (kernel.state("b1"), kernel.state("b2")) == (DOWN, UP)
            assert "100 of 100 flows" in next(health.kept for health in guardian.health() if health.kept)
            assert guardian.counts.discarded > 0
            proc.tell(10)
            await until(lambda: kernel.state("b2") is DOWN)
    kinds = [event.kind for event in events]
    assert "conntrack-full" in kinds
