"""Tests of noidchecks.status.result."""

from __future__ import annotations

import pytest

from noidchecks import Metric, Part, Result, State, Timings

TIME = Metric("time", 0.5, "s")
SIZE = Metric("size", 7, "B")


def test_a_result_prints_text_and_performance_data() -> None:
    assert str(Result(State.OK, "FTP OK - fine")) == "FTP OK - fine"
    assert str(Result(State.OK, "FTP OK - fine", metrics=(TIME, SIZE))) == "FTP OK - fine|time=0.500000s size=7B"
    assert str(Result(State.OK, "SSH OK - x", metrics=(TIME,), separator=" | ")) == "SSH OK - x | time=0.500000s"


def test_text_is_cut_where_nagios_would_cut_performance_data() -> None:
    """A worker of Nagios 4 reads 4096 bytes of a plugin that has exited before it reads, and no more."""
    for text in ("A" * 5000, "\N{SNOWMAN}" * 3000):
        line = str(Result(State.OK, text, metrics=(TIME, SIZE)))
        assert 4090 <= len(f"{line}\n".encode()) <= 4096
        assert line.endswith("...|time=0.500000s size=7B")
    assert str(Result(State.OK, "A" * 4000, metrics=(TIME,))) == f"{'A' * 4000}|time=0.500000s"
    assert str(Result(State.OK, "A" * 600, metrics=(SIZE,) * 1000)).startswith("A" * 497 + "...|size=7B ")


def test_the_transcript_follows_the_status_line() -> None:
    result = Result(State.OK, "FTP OK - fine", metrics=(TIME,), transcript=("0.1 < hello", "0.2 > bye"))
    assert str(result) == "FTP OK - fine|time=0.500000s\n0.1 < hello\n0.2 > bye"


def test_the_transcript_never_follows_performance_data_of_a_later_line() -> None:
    """Nagios takes everything behind a bar in a later line for performance data."""
    result = Result(State.OK, "OK - Certificate\nFTP OK - fine", metrics=(TIME,), transcript=("0.1 < a", "0.2 > b"))
    assert str(result) == "OK - Certificate\nFTP OK - fine\n0.1 < a\n0.2 > b|time=0.500000s"
    assert str(result.replace(transcript=())) == "OK - Certificate\nFTP OK - fine|time=0.500000s"


def test_a_result_without_parts_is_its_own_part() -> None:
    assert Result(State.WARNING, "x").parts == (Part(State.WARNING, "x"),)


def test_ok_is_true_of_ok_only() -> None:
    assert [Result(State(code), "x").ok for code in range(4)] == [True, False, False, False]


def test_results_are_values() -> None:
    timings = Timings()
    one = Result(State.OK, "x", facts={"a": 1}, timings=timings)
    assert one == Result(State.OK, "x", facts={"a": 1}, timings=timings)
    assert hash(one) == hash(one.replace(facts={}))
    assert one != one.replace(state=State.UNKNOWN)
    with pytest.raises(AttributeError, match="frozen"):
        one.text = "y"


def test_results_do_not_share_their_defaults() -> None:
    one, other = Result(State.OK, "x"), Result(State.OK, "x")
    one.facts["seen"] = 1
    assert other.facts == {}
    assert one.timings is not other.timings
