"""Words that were confirmed, in doubt, forgotten; and which trouble explains a client that failed."""

from __future__ import annotations

from integration.bench.soak.ledger import Troubles, Words

PLACE, OTHER, FARM = ("f00", "b01"), ("f00", "b02"), ("spare", "")


def said(*words: tuple[tuple[str, str], str]) -> Words:
    ledger = Words()
    for number, (place, word) in enumerate(words):
        ledger.ask(place, word, 10.0 * number)
        ledger.confirm(place, 10.0 * number + 1)
    return ledger


def test_what_was_confirmed_must_be_found() -> None:
    ledger = said((PLACE, "drain"), (FARM, "stop"))
    assert ledger.compare({PLACE: "drain", FARM: "stop"}, 50.0) == []
    assert ledger.compare({FARM: "stop"}, 51.0) == ["f00/b01 is up, and drain was confirmed"]


def test_a_complaint_is_made_once() -> None:
    ledger = said((PLACE, "drain"))
    assert len(ledger.compare({}, 50.0)) == 1
    assert ledger.compare({}, 51.0) == []


def test_what_was_invented_is_found() -> None:
    assert said().compare({OTHER: "down"}, 5.0) == ["f00/b02 is down, and up was confirmed"]


def test_what_was_taken_back_must_be_gone() -> None:
    ledger = said((PLACE, "drain"), (PLACE, "up"))
    assert ledger.confirmed == {}
    assert ledger.compare({PLACE: "drain"}, 50.0) == ["f00/b01 is drain, and up was confirmed"]


def test_a_word_in_doubt_may_hold_or_not() -> None:
    for found in ("drain", "down"):
        ledger = said((PLACE, "drain"))
        ledger.ask(PLACE, "down", 20.0)
        assert ledger.compare({PLACE: found}, 30.0) == []
        assert ledger.confirmed == {PLACE: found}
        # From now on it is certain.
        assert len(ledger.compare({}, 40.0)) == 1


def test_a_word_in_doubt_is_no_third_one() -> None:
    ledger = said((PLACE, "drain"))
    ledger.ask(PLACE, "down", 20.0)
    assert ledger.compare({}, 30.0) == ["f00/b01 is up, and drain was confirmed"]


def test_a_backend_is_out_from_the_answer_to_the_next_request() -> None:
    ledger = said((PLACE, "drain"))
    assert not ledger.was_out(PLACE, 0.5)
    assert ledger.was_out(PLACE, 1.5)
    ledger.ask(PLACE, "up", 20.0)
    assert not ledger.was_out(PLACE, 1.5)


def test_what_was_in_doubt_is_out_from_when_it_was_found() -> None:
    ledger = said((PLACE, "drain"))
    ledger.ask(PLACE, "up", 20.0)
    ledger.compare({PLACE: "drain"}, 30.0)
    assert not ledger.was_out(PLACE, 25.0)
    assert ledger.was_out(PLACE, 31.0)


def test_old_times_are_forgotten_and_present_ones_kept() -> None:
    ledger = said((PLACE, "drain"), (OTHER, "down"), (PLACE, "up"))
    ledger.forget_before(10_000.0)
    assert ledger.was_out(OTHER, 9_999.0)
    assert not ledger.was_out(PLACE, 9_999.0)


def test_trouble_explains_the_clients_of_its_time() -> None:
    troubles = Troubles()
    trouble = troubles.begin("nft", 100.0)
    assert troubles.explain(90.0, 99.0, is_steady=True) is None
    assert troubles.explain(90.0, 101.0, is_steady=True) is trouble
    troubles.end_all(110.0)
    assert troubles.explain(105.0, 120.0, is_steady=True) is trouble
    assert troubles.explain(112.0, 120.0, is_steady=True) is None


def test_where_a_client_stands_between_troubles() -> None:
    troubles = Troubles()
    assert troubles.around(100.0, 101.0) == "far from any trouble"
    for name, begin, end in (("flood", 10.0, 20.0), ("fire", 30.0, 40.0), ("frost", 60.0, 70.0)):
        troubles.begin(name, begin).end = end
    assert troubles.around(45.0, 50.0) == "5.00 s after fire and 10.00 s before frost"
    assert troubles.around(5.0, 6.0) == "4.00 s before flood"


def test_failing_backends_explain_no_client_of_others() -> None:
    troubles = Troubles()
    troubles.begin("all fail", 100.0, is_everywhere=False)
    assert troubles.explain(101.0, 102.0, is_steady=True) is None
    assert troubles.explain(101.0, 102.0, is_steady=False) is not None
