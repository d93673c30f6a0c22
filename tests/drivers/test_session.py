"""What a session makes of a dialogue: its result, phases and times, its defects, and that nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from noidchecks.address import AF_INET
from noidchecks.dialogue.operations import Close, Connect, Dialogue, OpenDatagram, Phase, Send, Sleep
from noidchecks.errors import NotConnected, PeerError
from tests.conftest import Check, NewPeer
from tests.support.peers import Step, reset, take, unused_port
from tests.support.talk import Names, TalkProbe, address_of, found, open_to
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_what_the_dialogue_returns_is_judged(check: Check) -> None:
    def dialogue() -> Dialogue[str]:
        return "seen"
        yield Phase("never")

    assert found(check(TalkProbe(dialogue))) == "seen"


def test_phases_are_timed_by_name_in_the_order_of_entry(check: Check) -> None:
    def dialogue() -> Dialogue[None]:
        for name, seconds in (("one", 0.02), ("two", 0.01), ("one", 0.02)):
            yield Phase(name)
            yield Sleep(seconds)

    timings = check(TalkProbe(dialogue)).timings
    assert list(timings.phases) == ["one", "two"]
    assert timings.phases["one"] >= 0.04
    assert timings.phases["two"] >= 0.01
    assert timings.total >= sum(timings.phases.values()) > 0.05


def test_time_before_the_first_phase_is_of_none(check: Check) -> None:
    def dialogue() -> Dialogue[None]:
        yield Sleep(0.02)
        yield Phase("late")

    timings = check(TalkProbe(dialogue)).timings
    assert timings.total >= 0.02
    assert timings.phases["late"] < timings.total


def test_sleep_lets_the_seconds_pass(check: Check) -> None:
    def dialogue() -> Dialogue[object]:
        yield Sleep(0)
        return (yield Sleep(0.05))

    result = check(TalkProbe(dialogue))
    assert found(result) is None
    assert result.timings.total >= 0.05


def test_without_a_timeout_there_is_no_deadline(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(0.05, b"late")

    def dialogue() -> Dialogue[bytes | None]:
        stream = yield from open_to(host, peer.port)
        return (yield from stream.receive())

    assert found(check(TalkProbe(dialogue, timeout=0))) == b"late"


def test_a_timeout_of_many_years_is_a_timeout(check: Check, new_peer: NewPeer, host: str) -> None:
    """poll(2) takes at most 2**31 milliseconds."""
    peer = new_peer(0.01, b"late")

    def dialogue() -> Dialogue[bytes | None]:
        stream = yield from open_to(host, peer.port)
        return (yield from stream.receive())

    assert found(check(TalkProbe(dialogue, timeout=1e9))) == b"late"


def test_an_exception_of_the_dialogue_reaches_the_caller(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[None]:
        yield from open_to(host, peer.port)
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        check(TalkProbe(dialogue))
    peer.settle()


@pytest.mark.parametrize("given", ["", "before"])
def test_an_error_of_the_dialogue_itself_has_the_phase_it_was_raised_in(check: Check, given: str) -> None:
    def dialogue() -> Dialogue[None]:
        yield Phase("greeting")
        error = PeerError("refused", expected="220", received=b"500")
        error.phase = given
        raise error

    def after_another() -> Dialogue[None]:
        try:
            yield Phase("greeting")
            yield Connect(address_of("127.0.0.1", unused_port()))
        except NotConnected:
            yield from dialogue()

    for probe in (TalkProbe(dialogue), TalkProbe(after_another)):
        failure = check(probe).failure
        assert isinstance(failure, PeerError)
        assert failure.phase == (given or "greeting")


def test_what_is_no_operation_is_a_defect(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[None]:
        yield from open_to(host, peer.port)
        yield "nonsense"  # type: ignore[misc]  # on purpose

    with pytest.raises(KeyError, match="str"):
        check(TalkProbe(dialogue))
    peer.settle()


def test_a_defect_is_not_hidden_by_a_dialogue_that_tidies_up(check: Check, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def dialogue() -> Dialogue[None]:
        stream = yield from open_to(host, peer.port)
        try:
            yield Connect("nowhere")  # type: ignore[arg-type]  # on purpose
        finally:
            yield Send(stream.channel, b"QUIT")
            yield Close(stream.channel)

    with pytest.raises(AttributeError):
        check(TalkProbe(dialogue))
    peer.settle()


@pytest.mark.parametrize("outcome", ["success", "refused", "reset", "timeout", "interrupt"])
def test_nothing_is_left_behind(
    check: Check,
    new_peer: NewPeer,
    host: str,
    outcome: str,
    nothing_left: Callable[[], None],
    names: Names,
) -> None:
    steps: dict[str, Step] = {"success": b"x", "reset": reset}
    peer = new_peer(take(1), steps.get(outcome, b""))
    port = unused_port(host) if outcome == "refused" else peer.port
    names[b"host.example"] = lambda: (address_of(host, port),)
    nothing_left_now = _with_what_is_there()

    def dialogue() -> Dialogue[bytes | None]:
        yield OpenDatagram(AF_INET)
        stream = yield from open_to("host.example", 1)
        if outcome == "interrupt":
            raise KeyboardInterrupt
        yield from stream.send(b"x")
        return (yield from stream.receive())

    probe = TalkProbe(dialogue, timeout=0.1 if outcome == "timeout" else 10)
    if outcome == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            check(probe)
    else:
        assert check(probe).ok is (outcome == "success")
    peer.settle()
    nothing_left_now()


def _with_what_is_there() -> Callable[[], None]:
    """Returns the question whether there are more descriptors than now."""
    before = set(os.listdir("/proc/self/fd"))

    def ask() -> None:
        # What has been interrupted may not have been accepted by the peer yet.
        until(lambda: set(os.listdir("/proc/self/fd")) <= before)

    return ask
