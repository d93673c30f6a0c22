"""Farms, probes and deadlines that change while the guardian runs."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from noidlb.events import Event, EventLog
from noidlb.farm import BackendState, Condition
from noidlb.guard import Guard
from noidlb.guardian.forecast import joined
from noidlb.guardian.guardian import Guardian
from noidlb.overrides import Overrides

from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.farms import backend, farm
from tests.support.lb.guardians import FTP, running, watched
from tests.support.peers import Peer, silent
from tests.support.waiting import until_async as until

UP, DOWN = BackendState.UP, BackendState.DOWN


async def test_a_reload_forgets_what_is_gone_and_begins_what_is_new() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        one, other = watched(peer.port, name="one"), replace(watched(1, name="other"), ports=(2121,))
        async with running(one, kernel=kernel) as (guardian, _):
            await until(lambda: all(health.state == "up" for health in guardian.health()))
            guardian.configure((other,), Overrides())
            await until(lambda: {health.farm for health in guardian.health() if health.probes} == {"other"})
            await guardian.settle()
            assert set(kernel.conditions[-1]) == {("other", "b1")}
            assert guardian.counts.targets == 1


def test_configuring_before_the_start_is_what_it_starts_with() -> None:
    kernel = FakeKernel()
    guardian = Guardian((farm(),), Overrides(), applier=kernel, events=EventLog())
    guardian.configure((farm("other"),), Overrides())
    assert guardian.health() == ()
    assert re.match("Counts", repr(guardian.counts))


async def test_what_serves_goes_on_serving_until_the_first_result_of_a_new_command() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer, Peer(silent) as hung:
        before = watched(peer.port, 1)
        after = watched(hung.port, hung.port, hung.port, command="check_ftp -H 127.0.0.1 -p PORT -e 220")
        async with running(before, kernel=kernel) as (guardian, _):
            await until(lambda: {one.state for one in guardian.health()} == {"up", "down"})
            await guardian.settle()
            assert joined(guardian.forecast((before,))).unchecked == ()
            assert joined(guardian.forecast((after,))).unchecked == ("f",)
            foreseen = joined(guardian.forecast((after,))).conditions
            changes = len(kernel.conditions)
            guardian.configure((after,), Overrides())
            await guardian.settle()
            await until(lambda: guardian.counts.running > 0)
            assert kernel.conditions[changes] == foreseen
            # One that is new to the farm gets no clients before its first result.
            assert [kernel.state(name) for name in ("b1", "b2", "b3")] == [UP, DOWN, DOWN]
            assert {one.state for one in guardian.health()} == {"unknown"}
            # Overrides are the guardian's affair meanwhile too.
            guardian.configure((after,), Overrides({("f", "b1"): DOWN}))
            await guardian.settle()
            guardian.configure((after,), Overrides())
            await guardian.settle()
            assert kernel.state("b1") is UP


async def test_a_backend_with_another_address_gets_no_clients_before_its_first_result() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer, Peer(silent) as hung:
        before = watched(peer.port, peer.port, peer.port)
        new = watched(hung.port, hung.port, peer.port)
        # b2 has another address in one family only, and b3 the same check as another server.
        moved = (
            replace(new.backends[0], address=backend(8).address),
            replace(new.backends[1], address=(new.backends[1].address[0], backend(9).address[1])),
            replace(new.backends[2], address=backend(10).address),
        )
        after = replace(new, backends=moved)
        async with running(before, kernel=kernel) as (guardian, _):
            await until(lambda: all(one.state == "up" for one in guardian.health()))
            await guardian.settle()
            foreseen = joined(guardian.forecast((after,))).conditions
            changes = len(kernel.conditions)
            guardian.configure((after,), Overrides())
            await guardian.settle()
            assert kernel.conditions[changes] == foreseen
            assert {name: one.state for (_, name), one in foreseen.items()} == {"b1": DOWN, "b2": UP, "b3": UP}
            assert foreseen["f", "b2"].lost == frozenset({6})


async def test_the_first_result_of_a_new_command_decides() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port), kernel=kernel) as (guardian, _):
            await until(lambda: kernel.state("b1") is UP)
            guardian.configure(
                (watched(peer.port, command="check_ftp -H 127.0.0.1 -p PORT -e 230 -M crit"),), Overrides()
            )
            await until(lambda: kernel.state("b1") is DOWN)


async def test_another_deadline_asks_the_same_thing() -> None:
    kernel = FakeKernel()
    with Peer(FTP) as peer:
        async with running(watched(peer.port, 1), kernel=kernel) as (guardian, _):
            await until(lambda: {one.state for one in guardian.health()} == {"up", "down"})
            changed = watched(peer.port, 1, timeout=3.0, interval=0.3, rise=7, fall=8)
            assert joined(guardian.forecast((changed,))).unchecked == ()
            guardian.configure((changed,), Overrides())
            assert {one.state for one in guardian.health()} == {"up", "down"}


async def test_a_farm_that_gets_a_guardian_goes_on_serving_until_somebody_has_looked() -> None:
    kernel = FakeKernel()
    with Peer(silent) as hung:
        guarded = watched(hung.port, hung.port)
        async with running(replace(guarded, guardian=None), kernel=kernel) as (guardian, _):
            await until(lambda: kernel.state("b1") is UP)
            guardian.configure((guarded,), Overrides())
            await guardian.settle()
            assert [kernel.state(name) for name in ("b1", "b2")] == [UP, UP]


async def test_a_command_that_cannot_be_run_any_more_takes_nobody_out(tmp_path: Path) -> None:
    kernel = FakeKernel()
    plugin = tmp_path / "check_own"
    plugin.write_text('#!/bin/sh\ntest "$1" != 10.20.2.2\n')
    plugin.chmod(0o755)
    one = watched(7, 7, command=f"{plugin} HOST", fall=1)
    one = replace(
        one, backends=tuple(replace(each, address=each.address[:1]) for each in one.backends), vip=one.vip[:1]
    )
    async with running(one, kernel=kernel) as (guardian, events):

        def told() -> list[Event]:
            return [event for event in events if event.backend == "b1" and event.farm == "f"]

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
        await until(lambda: [event.kind for event in told()] == ["up", "keep", "note"])
    assert str(plugin) in told()[1].reason
