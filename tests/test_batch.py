"""Tests of noidchecks.batch: survey() and survey_async()."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import noidchecks.drivers.resolver
from noidchecks import (
    DeadlineExceeded,
    FtpProbe,
    NotConnected,
    Result,
    State,
    Timings,
    descriptors,
    survey,
    survey_async,
)
from noidchecks.address import AF_INET, AF_INET6, Address
from noidchecks.dialogue.operations import Close, Dialogue, Phase, Sleep
from noidchecks.drivers.session import Session
from tests.conftest import NewPeer
from tests.support.peers import Peer, close, reset, unused_port
from tests.support.surveys import Outcome, Survey
from tests.support.talk import TalkProbe, greeting_of, open_to
from tests.support.waiting import LONG, until

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(params=["survey", "survey_async"])
def run(request: pytest.FixtureRequest) -> Survey:
    """Runs many probes, once under each driver."""
    return Survey(blocking=request.param == "survey")


def test_every_probe_has_its_result(run: Survey, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"220 ready\r\n")
    probes = [TalkProbe(greeting_of(host, peer.port)) for _ in range(50)]
    outcomes = run.all(probes)
    assert {id(probe) for probe, _ in outcomes} == {id(probe) for probe in probes}
    assert len(outcomes) == 50
    assert all(result.facts["found"] == b"220 ready\r\n" for _, result in outcomes)


def test_no_probes_have_no_results(run: Survey) -> None:
    assert run.all([]) == []
    assert run.all(iter(()), over=5) == []


def test_both_drivers_find_the_same(new_peer: NewPeer, host: str) -> None:
    ready, wrong, mute = new_peer(b"220 ready\r\n"), new_peer(b"530 no\r\n"), new_peer()
    gone, lost, dead = new_peer(close), new_peer(b"22", 0.05, reset), unused_port(host)

    def broken() -> Dialogue[None]:
        yield Phase("x")
        raise ZeroDivisionError("a defect")

    probes = [
        *(
            FtpProbe(host, port=peer.port, timeout=0.5 if peer is mute else LONG)
            for peer in (ready, wrong, mute, gone, lost)
        ),
        FtpProbe(host, port=dead),
        FtpProbe("[x]"),
        FtpProbe("192.0.2.1", source="192.0.2.2" if ":" in host else "127.0.0.1", timeout=0.2),
        TalkProbe(broken),
    ]

    def seen(outcomes: list[Outcome]) -> dict[int, tuple[State, str, type]]:
        return {
            probes.index(probe): (result.state, result.text.replace("0.000", ""), type(result.failure))
            for probe, result in outcomes
        }

    blocking = seen(Survey(blocking=True).all(probes))
    assert sorted(blocking) == list(range(len(probes)))
    for number, (state, text, failure) in seen(Survey(blocking=False).all(probes)).items():
        assert (state, failure) == (blocking[number][0], blocking[number][2])
        # Of an answer's text, the seconds may differ.
        assert text.partition("second response")[2] == blocking[number][1].partition("second response")[2]
    states = [blocking[number][0] for number in range(len(probes))]
    assert states[:7] == [0, 1, 2, 2, 1, 2, 2]
    assert states[8] == State.UNKNOWN


def test_a_defective_probe_is_unknown_and_harms_no_other(run: Survey, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"x")

    def raises() -> Dialogue[None]:
        yield from open_to(host, peer.port)
        raise ZeroDivisionError("a | b\nc")

    def goes_on() -> Dialogue[None]:
        while True:
            try:
                yield Sleep(20)
            except DeadlineExceeded:
                pass

    def tidies_up() -> Dialogue[None]:
        stream = yield from open_to(host, peer.port)
        try:
            yield "nonsense"  # type: ignore[misc]  # on purpose
        finally:
            yield Close(stream.channel)

    def is_none() -> Dialogue[None]:
        raise KeyError("no generator")

    class Misjudged(TalkProbe):
        def judge(self, findings: Any, timings: Timings) -> Result:
            raise IndexError("judge")

    good = [TalkProbe(greeting_of(host, peer.port)) for _ in range(5)]
    bad = [
        TalkProbe(raises),
        TalkProbe(goes_on, timeout=0.05),
        TalkProbe(tidies_up),
        TalkProbe(is_none),
        Misjudged(greeting_of(host, peer.port)),
    ]
    outcomes = dict(run.all([*good[:2], *bad, *good[2:]]))
    assert all(outcomes[probe].ok for probe in good)
    assert [outcomes[probe].state for probe in bad] == [State.UNKNOWN] * 5
    assert [outcomes[probe].text for probe in bad] == [
        "TALK UNKNOWN - internal error: ZeroDivisionError: a   b c",
        "TALK UNKNOWN - internal error: RuntimeError: the dialogue goes on after its deadline",
        "TALK UNKNOWN - internal error: KeyError: < class 'str'>",
        "TALK UNKNOWN - internal error: KeyError: 'no generator'",
        "MISJUDGED UNKNOWN - internal error: IndexError: judge",
    ]


@pytest.mark.parametrize("limit", [1, 7])
def test_no_more_than_the_limit_run_at_once(run: Survey, new_peer: NewPeer, host: str, limit: int) -> None:
    peer = new_peer(0.01, b"x")
    outcomes = run.all([TalkProbe(greeting_of(host, peer.port)) for _ in range(limit * 4)], concurrency=limit)
    assert all(result.ok for _, result in outcomes)
    assert len(peer.clients) == limit * 4
    # The peer learns of an end a little later than we do.
    assert limit // 2 <= peer.most <= limit * 2


def test_starts_are_spread_over_the_time_given(run: Survey) -> None:
    with Peer(b"x") as peer:
        begin = time.monotonic()
        outcomes = run.all([TalkProbe(greeting_of(peer.host, peer.port)) for _ in range(20)], over=0.4)
    assert all(result.ok for _, result in outcomes)
    assert peer.times[-1] - begin >= 0.25
    # A noisy machine is late, never early.
    assert sum(moment - begin < 0.08 for moment in peer.times) <= 10


def test_probes_are_taken_as_they_are_started(run: Survey, new_peer: NewPeer, host: str) -> None:
    peer = new_peer(b"x")
    taken = 0

    def probes() -> Iterator[TalkProbe]:
        nonlocal taken
        while True:
            taken += 1
            yield TalkProbe(greeting_of(host, peer.port))

    def then() -> None:
        assert taken <= 50

    _, result = run.first(probes(), then, concurrency=5)
    assert result.ok
    peer.settle()


def test_leaving_early_leaves_nothing_behind(run: Survey, new_peer: NewPeer, host: str) -> None:
    mute, quick = new_peer(), new_peer(b"x")

    def tidies_up() -> Dialogue[None]:
        stream = yield from open_to(host, mute.port)
        try:
            yield Sleep(20)
        finally:
            yield Close(stream.channel)

    probes = [
        *(TalkProbe(greeting_of(host, mute.port)) for _ in range(20)),
        *(TalkProbe(tidies_up) for _ in range(20)),
        TalkProbe(greeting_of(host, quick.port)),
    ]

    def then() -> None:
        until(lambda: mute.connected >= 40)

    _, result = run.first(probes, then)
    assert result.ok
    mute.settle()


def test_an_error_of_the_callers_iterable_reaches_the_caller(run: Survey, new_peer: NewPeer, host: str) -> None:
    peer = new_peer()

    def probes() -> Iterator[TalkProbe]:
        yield TalkProbe(greeting_of(host, peer.port))
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        run.all(probes())
    peer.settle()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"concurrency": 0}, "concurrency must be at least 1, not 0"),
        ({"concurrency": -1}, "concurrency must be at least 1, not -1"),
        ({"over": -0.1}, r"over must be seconds, 0 or more, not -0\.1"),
        ({"over": float("nan")}, "over must be seconds, 0 or more, not nan"),
        ({"over": float("inf")}, "over must be seconds, 0 or more, not inf"),
    ],
)
def test_impossible_surveys_are_value_errors(run: Survey, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        run.all([], **options)


def test_descriptors_are_left_to_the_caller(
    run: Survey, new_peer: NewPeer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = new_peer(0.01, b"x")
    monkeypatch.setattr(descriptors, "_open", lambda: 10)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64 + 3, 1000))
    run.all([TalkProbe(greeting_of(host, peer.port)) for _ in range(20)])
    assert 1 <= peer.most <= 6
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 1000))
    assert len(run.all([TalkProbe(greeting_of(host, peer.port)) for _ in range(3)])) == 3


@pytest.mark.parametrize(("taken", "most"), [(1, 7), (2, 4), (4, 2)])
def test_a_check_counts_with_the_most_descriptors_that_it_may_have(
    run: Survey, monkeypatch: pytest.MonkeyPatch, taken: int, most: int
) -> None:
    counts = [0]

    def dialogue() -> Dialogue[None]:
        counts.append(counts[-1] + 1)
        yield Sleep(0.01)
        counts.append(counts[-1] - 1)

    class Deep(TalkProbe):
        @property
        def descriptors(self) -> int:
            return taken

    # Whatever other tests have left open in this process.
    monkeypatch.setattr(descriptors, "_open", lambda: 10)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64 + 10, 1000))
    outcomes = run.all([Deep(dialogue) for _ in range(20)])
    assert all(result.ok for _, result in outcomes)
    assert len(outcomes) == 20
    assert max(counts) == most


def test_hundreds_of_silent_peers_end_at_their_deadline(run: Survey) -> None:
    with Peer() as peer:
        outcomes = run.all([TalkProbe(greeting_of(peer.host, peer.port), timeout=2.0) for _ in range(300)])
        # Not one after the other, which would take ten minutes.
        assert peer.most > 20
        peer.settle()
    assert len(outcomes) == 300
    assert all(isinstance(result.failure, DeadlineExceeded) for _, result in outcomes)
    assert all(result.timings.total >= 0.2 for _, result in outcomes)


def test_thousands_of_probes_are_run(run: Survey) -> None:
    port = unused_port()
    outcomes = run.all((TalkProbe(greeting_of("127.0.0.1", port)) for _ in range(2000)), concurrency=50)
    assert len(outcomes) == 2000
    assert all(isinstance(result.failure, NotConnected) for _, result in outcomes)


def test_what_has_ended_is_not_kept(run: Survey) -> None:
    """A survey of any length fits into memory, however far off the deadlines are."""

    def dialogue() -> Dialogue[None]:
        yield Sleep(0.001)

    def count() -> int:
        gc.collect()
        return sum(isinstance(known, Session) for known in gc.get_objects())

    most = 0

    async def async_count() -> None:
        nonlocal most
        outcomes: AsyncIterator[Outcome] = survey_async(probes(), concurrency=20)
        number = 0
        async for _ in outcomes:
            number += 1
            if number % 450 == 0:
                most = max(most, count())

    def probes() -> Iterator[TalkProbe]:
        for _ in range(900):
            yield TalkProbe(dialogue, timeout=3600)

    if run.blocking:
        for number, _ in enumerate(survey(probes(), concurrency=20)):
            if number % 450 == 449:
                most = max(most, count())
    else:
        asyncio.run(async_count())
    assert most < 250


def test_a_descriptors_number_may_serve_the_next_one(
    run: Survey, new_peer: NewPeer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up's descriptor is closed before the socket is opened, which gets its number, or another session's."""
    peer = new_peer(0.005, b"220 ready\r\n")
    family = AF_INET6 if ":" in host else AF_INET
    sockaddr: Any = (host, peer.port, 0, 0) if ":" in host else (host, peer.port)

    def look_up(name: bytes, port: int, family_: int, kind: int) -> tuple[Address, ...]:
        # Some answer before the next session starts, some after.
        time.sleep(0.001 * (port % 4))
        return (Address(family, sockaddr),)

    monkeypatch.setattr(noidchecks.drivers.resolver, "_addresses", look_up)

    def twice(number: int) -> Callable[[], Dialogue[bytes | None]]:
        def dialogue() -> Dialogue[bytes | None]:
            first = yield from open_to("host.example", number)
            yield Close(first.channel)
            second = yield from open_to("host.example", number + 1)
            return (yield from second.receive())

        return dialogue

    outcomes = run.all([TalkProbe(twice(number)) for number in range(100)], concurrency=20)
    assert [result.facts.get("found") for _, result in outcomes] == [b"220 ready\r\n"] * 100
