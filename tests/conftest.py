"""What all tests share: both drivers, both address families, and a look at what is left open."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

import noidchecks
from noidchecks import Result
from noidchecks.address import Address
from noidchecks.drivers import resolver
from tests.support.collecting import pytest_collection as pytest_collection
from tests.support.peers import Peer, Step
from tests.support.talk import Names
from tests.support.waiting import LONG

# A busy machine is slow, and no counterexample.
settings.register_profile("patient", deadline=None, suppress_health_check=(HealthCheck.too_slow,))
settings.load_profile("patient")

# A shell starts what it puts into the background with SIGINT ignored, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Check(Protocol):
    """noidchecks.check, or its asyncio twin on a loop of its own."""

    def __call__(self, probe: Any, *, transcript: bool = False) -> Result: ...


class NewPeer(Protocol):
    """Starts a peer on the address family under test, or on the host given; it is closed after the test."""

    def __call__(self, *script: Step, host: str = "") -> Peer: ...


def _check_async(probe: Any, *, transcript: bool = False) -> Result:
    return asyncio.run(noidchecks.check_async(probe, transcript=transcript))


@pytest.fixture(params=["check", "check_async"])
def check(request: pytest.FixtureRequest) -> Check:
    """Runs a probe, once under each driver."""
    return noidchecks.check if request.param == "check" else _check_async


def _has(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
            sock.bind((host, 0))
    except OSError:
        return False
    return True


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    """A loopback address of each family."""
    if not _has(request.param):
        pytest.skip(f"this machine has no {request.param}")
    found: str = request.param
    return found


@pytest.fixture
def new_peer(host: str) -> Iterator[NewPeer]:
    """Starts scripted peers."""
    started: list[Peer] = []

    def start(*script: Step, **named: str) -> Peer:
        started.append(Peer(*script, host=named.get("host") or host))
        return started[-1]

    yield start
    for peer in started:
        peer.close()


def _belongings() -> tuple[set[str], int]:
    descriptors = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            descriptors.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except FileNotFoundError:
            # The descriptor of the listing itself.
            pass
    return descriptors, len(os.listdir("/proc/self/task"))


@pytest.fixture
def nothing_left() -> Iterator[Callable[[], None]]:
    """Fails when the test has left a descriptor or a thread behind; call it to ask earlier, within a running test."""
    before, threads = _belongings()

    def ask() -> None:
        limit = time.monotonic() + LONG
        while True:
            now, alive = _belongings()
            if now <= before and alive <= threads:
                return
            # A thread that has done its work takes a moment to vanish.
            assert time.monotonic() < limit, f"left open: {sorted(now - before)}, threads: {alive - threads:+d}"
            time.sleep(0.005)

    yield ask
    ask()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """What names resolve to, in place of the machine's resolver; literals resolve as ever."""
    known: Names = {}

    def addresses(name: bytes, port: int, family: int, kind: int) -> tuple[Address, ...]:
        return known[name]()

    monkeypatch.setattr(resolver, "_addresses", addresses)
    return known  # type: ignore[return-value]  # a plain value is a fixture too


@pytest.fixture
def full_queue(host: str) -> Iterator[int]:
    """A port that neither takes nor refuses connections."""
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket(full.family) for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex((host, port))
        yield port
        for client in waiting:
            client.close()
