"""What is no verdict on a backend: a clock that steps, a process that paused, a full table of connections."""

from __future__ import annotations

import asyncio
import time
from errno import ECONNREFUSED
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from noidlb.events import EventLog
from noidlb.farm import BackendState
from noidlb.guardian.excuses import Excuses
from noidlb.guardian.flow_table import FlowTable

from noidchecks.errors import DeadlineExceeded, NotConnected
from noidchecks.status.result import Result
from noidchecks.status.state import State
from noidchecks.timings import Timings
from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.guardians import FTP, running, watched
from tests.support.lb.proc import Proc
from tests.support.peers import Peer, await_text
from tests.support.waiting import until_async as until

UP, DOWN = BackendState.UP, BackendState.DOWN

LATE = DeadlineExceeded(2.0)
UNANSWERED = Result(State.CRITICAL, "TFTP CRITICAL - Socket timeout", timings=Timings(2.0), failure=LATE)
REFUSED = Result(State.CRITICAL, "FTP CRITICAL - refused", failure=NotConnected("refused", ECONNREFUSED))

# It says nothing of whether packets came and went.
OVERDUE = "sh -c 'sleep 60' HOST"


async def test_a_clock_that_steps_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Days ahead and years back with every look: only the events' times may know of it."""
    clock = SimpleNamespace(time=cycle((2e9, 1e9, 3e9, 0.0)).__next__)
    monkeypatch.setattr("noidlb.guardian.guardian.time", clock)
    monkeypatch.setattr("noidlb.events.time", clock)
    kernel = FakeKernel()
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


def pause(seconds: float) -> None:
    """Keeps this process, its loop too, from running; the peers have threads of their own."""
    time.sleep(seconds)


@pytest.mark.parametrize("answers_anyway", [True, False])
async def test_a_probe_that_ran_across_a_pause_of_this_process_is_repeated(answers_anyway: bool) -> None:
    kernel = FakeKernel()
    # The first one's answer has come by the end of the pause; the other one waits for a client that said nothing.
    with Peer(0.3, FTP) if answers_anyway else Peer(await_text(b"SSH-2.0"), b"SSH-2.0-OpenSSH_9.2\r\n") as peer:
        command = f"check_{'ftp' if answers_anyway else 'ssh'} -H 127.0.0.1 -p PORT"
        one = watched(peer.port, command=command, timeout=2.0, fall=1, interval=0.5)
        async with running(one, kernel=kernel) as (guardian, events):
            await until(lambda: all(health.state == "up" for health in guardian.health()))
            for _ in range(3):
                await until(lambda: guardian.counts.running > 0)
                # As after SIGSTOP: the deadline has passed.
                pause(2.5)
                probes = guardian.health()[0].probes
                await until(lambda before=probes: guardian.health()[0].probes > before)  # type: ignore[misc]
        assert answers_anyway or guardian.counts.discarded > 0
    kinds = {event.kind for event in events}
    assert "paused" in kinds
    assert "down" not in kinds


def test_a_first_check_without_an_answer_counts_when_the_table_was_ready(tmp_path: Path) -> None:
    excuses = Excuses(EventLog(), FlowTable(tmp_path))
    target: Any = SimpleNamespace(check=SimpleNamespace(deadline=2.0), repeats=0, is_unknown=True)

    def wants(result: Result, ready: float) -> bool:
        excuses.begin(12.0)
        return excuses.wants_repeat(target, result, 10.0, 12.0, 1, ready)

    assert wants(UNANSWERED, 10.5)
    assert not wants(REFUSED, 10.5)
    assert not wants(Result(State.OK, "fine"), 10.5)
    assert not wants(UNANSWERED, 9.5)
    # The kernel may refuse the table for ever.
    assert [wants(UNANSWERED, float("inf")) for _ in range(7)] == [True] * 5 + [False, True]
    target.is_unknown, target.repeats = False, 0
    assert not wants(UNANSWERED, 10.5)


async def test_a_machine_that_is_always_late_finds_out_the_dead_all_the_same() -> None:
    kernel = FakeKernel()
    one = watched(1, timeout=0.1, fall=1)
    async with running(one, kernel=kernel) as (guardian, _):
        async with asyncio.timeout(60):
            while not all(health.state == "down" for health in guardian.health()):
                await asyncio.sleep(0)
                pause(0.25)


async def test_a_full_table_of_connections_excuses_silence_and_nothing_else(tmp_path: Path) -> None:
    kernel, proc = FakeKernel(), Proc(tmp_path)
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
