"""The limit of open files, and how it is raised."""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack

import pytest

from noidchecks import FtpProbe, Listing, Login, SshProbe, TftpProbe
from noidchecks.descriptors import SPARE, Allowance, limit, raise_limit
from noidchecks.server import MOST_DESCRIPTORS


def test_a_command_may_raise_its_limit() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        assert limit() == 512
        Allowance()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 512
        raise_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
        assert limit() == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_limit()
    assert limit() == 100


def test_an_endless_limit_has_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    allowance = Allowance()
    for _ in range(100_000):
        assert allowance.has_room()
        allowance.take(None)


def test_what_the_program_has_open_is_no_room_for_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    def room() -> int:
        allowance = Allowance()
        count = 0
        while allowance.has_room():
            allowance.take(None)
            count += 1
        return count

    monkeypatch.setattr(resource, "getrlimit", lambda _: (500, 500))
    before = room()
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(open(os.devnull))
        # Those that every program has are within what is left to the rest of it.
        assert 68 <= before - room() <= 100
    assert room() == before


def test_without_proc_there_is_room_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr("os.listdir", fail)
    assert Allowance().has_room()


@pytest.mark.parametrize("soft", [3, SPARE, SPARE + MOST_DESCRIPTORS - 1])
def test_one_check_may_always_run(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    allowance = Allowance()
    for _ in range(2):
        assert allowance.has_room()
        allowance.take(None)
        assert not allowance.has_room()
        allowance.give(None)


def test_what_only_greets_counts_once_and_what_goes_on_four_times() -> None:
    login = Login("u", "p")
    plain = [FtpProbe("h"), FtpProbe("h", login=login), SshProbe("h", algorithms=True), TftpProbe("h", "f")]
    deep = [
        *(FtpProbe("h", data="active"), FtpProbe("h", listing=Listing()), FtpProbe("h", put="")),
        *(SshProbe("h", login=login), SshProbe("h", known_hosts="/x")),
    ]
    assert [probe.descriptors for probe in plain] == [1] * len(plain)
    assert [probe.descriptors for probe in deep] == [4] * len(deep)
