"""Tests of noidchecks.duration."""

from __future__ import annotations

import pytest

from noidchecks.duration import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 0.5),
        ("0.5ms", 0.0005),
        ("90", 90),
        ("1.5", 1.5),
        ("5s", 5),
        ("007s", 7),
        ("0s", 0),
        ("30m", 1800),
        ("1.5h", 5400),
        ("7d", 604800),
        ("2w", 1209600),
        ("0.25w", 151200),
    ],
)
def test_one_reader_for_plugins_survey_and_farms(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "w",
        "1W",
        "1.h",
        ".5h",
        "1.5.5h",
        "-1h",
        "+1h",
        "1h30m",
        "1 h",
        "1y",
        "1mm",
        "1sm",
        "1.2345h",
        "٣h",
        "5s\n",
        "1e3s",
        "9" * 10,
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert seconds(text) is None
