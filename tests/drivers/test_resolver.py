"""Tests of noidchecks.drivers.resolver: look-ups that never end hold up no others."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noidchecks.drivers.resolver import LookUp, Resolver
from tests.support.processes import run_alone
from tests.support.waiting import LONG, until

pytestmark = pytest.mark.usefixtures("nothing_left")


class Zone:
    """Names that get no answer until the zone is alive again."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.failure: Exception | None = None

    def call(self, name: str) -> Callable[[], str]:
        def look_up() -> str:
            self.asked.append(name)
            self.answers.wait(LONG)
            if self.failure is not None:
                raise self.failure
            return name

        return look_up


@pytest.fixture
def dead() -> Iterator[Zone]:
    zone = Zone()
    yield zone
    zone.answers.set()


def wait(look_up: LookUp, seconds: float = LONG) -> bool:
    return bool(select.select([look_up.fileno()], [], [], seconds)[0])


def ask(resolver: Resolver, zone: Zone, name: str) -> LookUp:
    return resolver.ask((name,), name, zone.call(name))


def healthy(resolver: Resolver, name: str) -> None:
    look_up = resolver.ask((name,), name, lambda: name)
    try:
        assert wait(look_up)
        assert look_up.result() == name
    finally:
        look_up.close()


def idle(resolver: Resolver) -> bool:
    return resolver._counts == [0, 0] and not resolver._open and not resolver._ticks


def close(*look_ups: LookUp) -> None:
    for look_up in look_ups:
        look_up.close()


def test_look_ups_without_an_answer_hold_up_no_others(dead: Zone) -> None:
    resolver = Resolver(limit=500, slow=400)
    waiting = [ask(resolver, dead, f"h{number}.bad{number % 7}") for number in range(200)]
    # Although their checks wait for them still.
    healthy(resolver, "h.good")
    close(*waiting[:150])
    for number in range(50):
        healthy(resolver, f"h{number}.good")
    dead.answers.set()
    assert all(wait(one) for one in waiting[150:])
    close(*waiting)
    until(lambda: idle(resolver))


def test_few_run_at_once_while_they_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidchecks.drivers.resolver._FRESH", LONG)
    # What looks whether the fresh ones have turned old would sleep half of that time, and the test wait for its end.
    monkeypatch.setattr("noidchecks.drivers.resolver.sleep", lambda _: time.sleep(0.01))
    resolver = Resolver(at_once=3)
    lock = threading.Lock()
    running: list[int] = []
    most = 0

    def call() -> None:
        nonlocal most
        with lock:
            running.append(1)
            most = max(most, len(running))
        with lock:
            running.pop()

    look_ups = [resolver.ask((number,), "h.good", call) for number in range(100)]
    assert all(wait(one) for one in look_ups)
    close(*look_ups)
    assert most <= 3
    until(lambda: idle(resolver))


@pytest.mark.parametrize("rounds", [1, 3])
def test_names_known_to_be_slow_take_only_their_part(rounds: int, dead: Zone) -> None:
    resolver = Resolver(limit=40, slow=20)
    first = [ask(resolver, dead, f"h{number}.bad{number}") for number in range(30)]
    until(lambda: len(dead.asked) == 30)
    close(*first)
    for _ in range(rounds):
        # The same again, and others of the same zones: nothing more runs for them.
        again = [ask(resolver, dead, f"{host}{number}.bad{number}") for host in "hx" for number in range(30)]
        healthy(resolver, "h.good")
        close(*again)
    assert len(dead.asked) <= 30
    dead.answers.set()
    until(lambda: idle(resolver))
    # And well again when the zone is.
    for number in range(30):
        one = ask(resolver, dead, f"h{number}.bad{number}")
        assert wait(one)
        one.close()
    assert not any(resolver._names[f"h{number}.bad{number}"] for number in range(30))


def test_what_found_no_thread_knows_it(dead: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidchecks.drivers.resolver._LONG_WAIT", 0.01)
    resolver = Resolver(limit=2)
    holders = [ask(resolver, dead, f"h{number}.bad") for number in range(2)]
    until(lambda: len(dead.asked) == 2)
    late = ask(resolver, dead, "h.good")
    until(lambda: late.has_waited)
    assert not any(one.has_waited for one in holders)
    close(*holders, late)
    dead.answers.set()
    until(lambda: idle(resolver))
    assert sorted(dead.asked) == ["h0.bad", "h1.bad"], "one closed before its turn never runs"


def test_the_same_name_is_asked_once_at_a_time(dead: Zone) -> None:
    resolver = Resolver()
    both = [ask(resolver, dead, "h.example") for _ in range(2)]
    until(lambda: dead.asked == ["h.example"])
    both[0].close()
    dead.answers.set()
    assert wait(both[1])
    assert both[1].result() == "h.example"
    close(*both)
    assert dead.asked == ["h.example"]


def test_a_failure_of_a_look_up_given_up_is_no_failure_of_who_joined_it(dead: Zone) -> None:
    resolver = Resolver()
    outcomes: list[str | Exception] = [OSError("Temporary failure"), "alive"]
    go = threading.Event()

    def call() -> str:
        outcome = outcomes.pop(0)
        go.wait(LONG)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    first = resolver.ask(("h",), "h.example", call)
    until(lambda: len(outcomes) == 1)
    first.close()
    joined = resolver.ask(("h",), "h.example", call)
    go.set()
    assert wait(joined)
    assert joined.result() == "alive"
    joined.close()
    until(lambda: idle(resolver))


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_what_the_call_raises_is_raised_by_result(kind: type[BaseException]) -> None:
    def call() -> None:
        raise kind("no")

    look_up = Resolver().ask(("h",), "h", call)
    assert wait(look_up)
    for _ in range(2):
        with pytest.raises(kind, match="no"):
            look_up.result()
    look_up.close()
    assert look_up.fileno() == -1


def test_without_a_thread_there_is_no_look_up_and_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    resolver = Resolver()
    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", fail)
        with pytest.raises(RuntimeError, match="can't start"):
            resolver.ask(("h",), "h", lambda: "h")
    assert idle(resolver)
    healthy(resolver, "h.good")


def test_a_system_without_threads_to_spare_lets_those_that_run_take_the_next_one(
    dead: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    resolver = Resolver()
    holder = ask(resolver, dead, "h.bad")
    until(lambda: dead.asked == ["h.bad"])
    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", fail)
        late = resolver.ask(("h.good",), "h.good", lambda: "h.good")
    dead.answers.set()
    assert wait(late)
    assert late.result() == "h.good"
    close(holder, late)
    until(lambda: idle(resolver))


FORKED = """
import os, select, threading
from noidchecks.drivers import resolver
answers = threading.Event()
resolver._addresses = lambda name, *_: answers.wait(60) and (name,)
asked = resolver.look_up("dead.example", 21, 0, 1)
resolver._lock.acquire()
if not os.fork():
    # The thread that waits for it and the one that has the lock are the parent's.
    answers.set()
    found = resolver.look_up("dead.example", 21, 0, 1)
    select.select([found.fileno()], [], [], 60)
    print(found.done and found.result(), flush=True)
    os._exit(0)
os.wait()
answers.set()
"""


def test_a_forked_process_has_look_ups_of_its_own(tmp_path: Path) -> None:
    assert run_alone(FORKED, tmp_path) == "(b'dead.example',)\n"
