"""Any value becomes one that JSON has, and that every reader of JSON takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from noidchecks import Range, State
from noidchecks.status.plain import plain

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | st.text(st.characters())
    | st.just(State.OK),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner) | st.tuples(inner),
    max_leaves=12,
)


@given(ANY)
def test_any_value_is_written_and_read_back(value: Any) -> None:
    found = plain(value)
    text = json.dumps(found, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert json.loads(text) == found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (State.WARNING, "WARNING"),
        (True, True),
        (float("nan"), None),
        (float("-inf"), None),
        (b"a\xff|b\n", "a\\xff b "),
        ("\ud800", "\\ud800"),
        ({"x": (State.OK, {1: b""})}, {"x": ["OK", {"1": ""}]}),
        ({3, 1}, [1, 3]),
        (Range(1, 2), "1:2"),
    ],
)
def test_what_json_has_no_form_for(value: object, expected: object) -> None:
    assert plain(value) == expected
