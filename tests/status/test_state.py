"""Tests of noidchecks.status.state."""

from __future__ import annotations

import copy
import itertools
import pickle

import pytest

from noidchecks import State, worst

ALL = (State.OK, State.WARNING, State.CRITICAL, State.UNKNOWN)


def test_a_state_is_its_exit_code() -> None:
    assert [int(state) for state in ALL] == [0, 1, 2, 3]
    assert State(2) == State.CRITICAL


def test_a_state_prints_the_word_of_the_plugins() -> None:
    assert [str(state) for state in ALL] == ["OK", "WARNING", "CRITICAL", "UNKNOWN"]
    assert [f"{state}" for state in ALL] == [state.name for state in ALL]
    assert repr(State.WARNING) == "State.WARNING"


@pytest.mark.parametrize("code", [-1, 4, 128])
def test_there_are_no_other_states(code: int) -> None:
    with pytest.raises(ValueError, match=rf"0\.\.3, not {code}"):
        State(code)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("ok", State.OK),
        ("o", State.OK),
        ("OK", State.OK),
        ("warn", State.WARNING),
        ("Warning", State.WARNING),
        ("crit", State.CRITICAL),
        ("c", State.CRITICAL),
        ("unknown", State.UNKNOWN),
        ("u", State.UNKNOWN),
        ("0", State.OK),
        ("1", State.WARNING),
        ("2", State.CRITICAL),
        ("3", State.UNKNOWN),
    ],
)
def test_parse_reads_names_abbreviations_and_codes(word: str, state: State) -> None:
    assert State.parse(word) is not None
    assert State.parse(word) == state


@pytest.mark.parametrize("word", ["", " ", "okay", "warnings", "4", "-1", "00", "٢", "ok ", "x"])
def test_parse_refuses_everything_else(word: str) -> None:
    with pytest.raises(ValueError, match="state must be one of"):
        State.parse(word)


def test_worst_ranks_critical_warning_unknown_ok() -> None:
    ranked = (State.CRITICAL, State.WARNING, State.UNKNOWN, State.OK)
    for above, below in itertools.combinations(ranked, 2):
        assert worst((below, above)) == worst((above, below)) == above
    assert worst(iter(ranked)) == State.CRITICAL


def test_worst_of_nothing_is_ok() -> None:
    assert worst(()) == State.OK


@pytest.mark.parametrize("state", [State(code) for code in range(4)])
def test_there_is_one_object_of_each(state: State) -> None:
    assert state is [State.OK, State.WARNING, State.CRITICAL, State.UNKNOWN][state]
    assert State.parse(state.name) is state
    assert copy.copy(state) is copy.deepcopy([state])[0] is state
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(state, protocol)) is state
