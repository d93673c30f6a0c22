"""Tests of noidchecks.background."""

from __future__ import annotations

import os
import select
import threading

import pytest

from noidchecks.background import SESSIONS, Full, Job, Pool
from tests.waiting import LONG, until

pytestmark = pytest.mark.usefixtures("nothing_left")


def wait(job: Job, seconds: float = LONG) -> bool:
    return bool(select.select([job.fileno()], [], [], seconds)[0])


def test_the_descriptor_is_readable_when_the_call_has_returned() -> None:
    go = threading.Event()

    def call() -> int:
        go.wait(LONG)
        return 7

    job = Job(call)
    try:
        assert not wait(job, 0.02)
        assert not job.done
        go.set()
        assert wait(job)
        assert job.done
        assert job.result() == 7
    finally:
        job.close()


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_what_the_call_raises_is_raised_by_result(kind: type[BaseException]) -> None:
    def call() -> None:
        raise kind("no")

    job = Job(call)
    try:
        assert wait(job)
        with pytest.raises(kind, match="no"):
            job.result()
    finally:
        job.close()


def test_the_outcome_of_a_closed_job_is_dropped() -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        go.wait(LONG)
        ended.set()

    job = Job(call)
    assert begun.wait(LONG)
    number = job.fileno()
    job.close()
    job.close()
    assert job.fileno() == -1
    # The number belongs to another file by now, which must not be written to.
    other = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        assert other == number
        go.set()
        assert ended.wait(LONG)
        until(lambda: job.done)
        with pytest.raises(BlockingIOError):
            os.eventfd_read(other)
    finally:
        os.close(other)


def test_at_least_a_thousand_sessions_fit_in() -> None:
    assert SESSIONS.limit > 1000


def test_without_a_thread_there_is_no_job_and_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", fail)
        with pytest.raises(RuntimeError, match="can't start"):
            Job(lambda: None)
    until(lambda: SESSIONS._threads == 0)
    job = Job(lambda: 1)
    assert wait(job)
    job.close()


def test_pools_do_not_wait_for_each_other_and_a_full_one_turns_away() -> None:
    go = threading.Event()
    small, other = Pool(2), Pool(1)
    files = len(os.listdir("/proc/self/fd"))
    holders = [Job(lambda: go.wait(LONG), small) for _ in range(2)]
    try:
        with pytest.raises(Full, match="all 2 threads"):
            Job(lambda: None, small)
        assert len(os.listdir("/proc/self/fd")) == files + 2
        job = Job(lambda: 5, other)
        assert wait(job)
        assert job.result() == 5
        job.close()
        go.set()
        assert all(wait(job) for job in holders)
        until(lambda: not small._threads)
        holders.append(Job(lambda: 6, small))
        assert wait(holders[-1])
        assert holders[-1].result() == 6
    finally:
        go.set()
        for job in holders:
            job.close()
