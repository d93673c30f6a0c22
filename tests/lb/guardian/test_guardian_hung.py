"""Plugins that hang, more of them than may run at a time, and what becomes of the other checks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from noidlb.farm import Farm
from noidlb.guardian.checks import CheckRunner

from tests.support.lb.fake_nft import FakeKernel
from tests.support.lb.guardians import running, watched
from tests.support.waiting import until_async as until

HUNG = "/bin/sh -c 'exec sleep 60' HOST"


@pytest.fixture(autouse=True)
def few_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidlb.guardian.guardian.CheckRunner", partial(CheckRunner, most_processes=8))


def hung(*, timeout: float) -> Farm:
    """A farm of as many checks as there are places, which all hang."""
    return watched(1, 2, 3, 4, command=HUNG, name="hung", timeout=timeout)


async def test_a_farm_whose_plugins_hang_delays_no_other() -> None:
    good = replace(watched(7, command="/bin/echo HOST is fine"), ports=(3000,))
    async with running(hung(timeout=60.0), kernel=FakeKernel()) as (guardian, _):
        await until(lambda: guardian.counts.running == 7)
        # They will not end in the time of this test.
        guardian.configure((hung(timeout=60.0), good))
        await until(lambda: all(one.probes > 3 for one in guardian.health() if one.farm == "f"))
        assert guardian.counts.running >= 7


async def test_checks_that_wait_longer_than_their_interval_are_told_and_counted() -> None:
    async with running(hung(timeout=1.0), kernel=FakeKernel()) as (guardian, events):
        await until(lambda: any(event.kind == "overdue" for event in events))
        assert guardian.counts.overdue > 0
        assert guardian.counts.latest > 0.2
        await until(lambda: all(one.state == "down" for one in guardian.health()))
        await until(lambda: guardian.counts.started > 30)
    # Once a minute, at most.
    (event,) = [event for event in events if event.kind == "overdue"]
    assert (event.farm, event.backend) == ("hung", "")
    assert "too many of this farm run at a time" in event.reason
