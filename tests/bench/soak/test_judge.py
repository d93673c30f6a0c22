"""Which sessions of clients count as failed without a cause."""

from __future__ import annotations

from integration.bench.soak.backends import Report
from integration.bench.soak.judge import Judge
from integration.bench.soak.lab import places
from integration.bench.soak.ledger import Troubles, Words
from integration.bench.soak.traffic import Visit

LATER = 1000.0


def judged(*visits: Visit, spoiled: tuple[tuple[int, float], ...] = (), words: Words | None = None) -> Judge:
    troubles = Troubles()
    troubles.begin("nft", 200.0).end = 210.0
    judge = Judge(places(), words or Words(), troubles, "it slept: {}".format)
    judge.take(visits, Report(spoiled=[*spoiled]), LATER)
    return judge


def test_an_answered_session_is_right_in_its_own_farm_alone() -> None:
    assert judged(Visit("f03", 100.0, 100.1, 4000, "10.64.3.7")).unexplained == 0
    assert judged(Visit("f03", 100.0, 100.1, 4000, "10.64.4.7")).wrong == ["a session of f03 was answered by 10.64.4.7"]


def test_a_failure_is_wrong_unless_the_backend_or_trouble_explains_it() -> None:
    assert judged(Visit("f03", 100.0, 100.1, 4000, wrong="ECONNREFUSED")).unexplained == 1
    assert judged(Visit("steady", 100.0, 100.1, 4000, wrong="closed", is_held=True)).unexplained == 1
    assert judged(Visit("f03", 212.0, 212.1, 4000, wrong="ECONNREFUSED")).wrong == [
        "session of f03: ECONNREFUSED after 0.10 s, 2.00 s after nft; it slept: f03"
    ]
    judge = judged(Visit("f03", 205.0, 205.1, 4000, wrong="ECONNREFUSED"))
    assert (judge.unexplained, judge.failed_in["nft"]) == (0, 1)
    assert judge.longest["nft"] < 6.0


def test_only_the_same_port_at_the_same_time_was_failed_by_a_backend() -> None:
    failed = Visit("f03", 100.0, 100.1, 4000, wrong="ECONNRESET")
    assert judged(failed, spoiled=((4000, 100.05),)).failed_in["a failed backend"] == 1
    assert judged(failed, spoiled=((4001, 100.05), (4000, 90.0), (4000, 101.0))).unexplained == 1


def test_a_failure_waits_for_what_the_backends_say() -> None:
    judge = Judge(places(), Words(), Troubles(), str)
    judge.take([Visit("f03", 100.0, 100.1, 4000, wrong="ECONNRESET")], Report(), 101.0)
    assert judge.unexplained == 0
    judge.take([], Report(spoiled=[(4000, 100.05)]), 110.0)
    assert (judge.unexplained, judge.failed_in["a failed backend"]) == (0, 1)


def test_what_failed_while_the_bench_did_not_run_is_no_fault() -> None:
    failed = Visit("steady", 100.0, 160.0, 4000, wrong="no greeting")
    assert judged(Visit("", 120.0, 125.0, 0, wrong="paused"), failed).unexplained == 0
    troubles = Troubles()
    judge = Judge(places(), Words(), troubles, str)
    judge.take([failed], Report(pauses=[(90.0, 95.0)]), LATER)
    assert (judge.unexplained, judge.failed_in["a pause of the bench"]) == (0, 1)
    judge.take([Visit("steady", 200.0, 201.0, 4000, wrong="reset")], Report(), LATER)
    assert judge.unexplained == 1


def test_a_new_client_of_a_drained_backend_is_wrong_but_for_sticky_farms() -> None:
    for farm, backend, wrong in (("f03", "10.64.3.7", 1), ("f02", "10.64.2.7", 0)):
        words = Words()
        words.ask((farm, "b07"), "drain", 50.0)
        words.confirm((farm, "b07"), 60.0)
        assert judged(Visit(farm, 61.0, 61.1, 4000, backend), words=words).unexplained == wrong
        assert judged(Visit(farm, 59.0, 61.1, 4000, backend), words=words).unexplained == 0
