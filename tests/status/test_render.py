"""Tests of noidchecks.status.render."""

from __future__ import annotations

import json

import pytest

from noidchecks import Metric, NotConnected, Part, Range, Result, State, Timings
from noidchecks.status.render import render

TIME = Metric("time", 0.5, "s", warning=Range(0, 1), critical=Range.parse("@~:2"), minimum=0.0, maximum=10.0)
SIZE = Metric("size", 7)
GOOD = Result(
    State.OK,
    "FTP OK - fine",
    parts=(Part(State.OK, "Connected"), Part(State.OK, "Answered")),
    summary="All is well",
    metrics=(TIME, SIZE),
    facts={"greeting": "220 | ready"},
    timings=Timings(0.5, {"resolve": 0.1234567, "connect": 0.25}),
)


def _failed() -> Result:
    failure = NotConnected("Connection refused", 111)
    failure.phase = "connect"
    parts = (Part(State.OK, "Looked up"), Part(State.CRITICAL, "Refused"), Part(State.CRITICAL, "Really"))
    return Result(State.CRITICAL, "FTP CRITICAL - no", parts=parts, summary="All is well", failure=failure)


BAD = _failed()


def test_multi_line_prints_the_parts_as_a_tree() -> None:
    assert render(GOOD, "multi-line") == (
        0,
        "[OK] - All is well\n\t\\_[OK] - Connected\n\t\\_[OK] - Answered"
        "| time=0.500000s;1.000000;@~:2;0.000000;10.000000 size=7",
    )


def test_multi_line_begins_with_the_first_of_the_worst_parts() -> None:
    code, text = render(BAD, "multi-line")
    assert code == 2
    assert text == "[CRITICAL] - Refused\n\t\\_[OK] - Looked up\n\t\\_[CRITICAL] - Refused\n\t\\_[CRITICAL] - Really"


def test_multi_line_puts_the_transcript_before_the_performance_data() -> None:
    """Nagios takes everything behind a bar in a later line for performance data."""
    _, text = render(GOOD.replace(transcript=("0.1 < hello",)), "multi-line")
    assert text.endswith("Answered\n0.1 < hello| time=0.500000s;1.000000;@~:2;0.000000;10.000000 size=7")


@pytest.mark.parametrize("char", ["A", "\N{SNOWMAN}"])
@pytest.mark.parametrize("count", [1, 2, 30, 500])
def test_multi_line_is_cut_where_nagios_would_cut_performance_data(char: str, count: int) -> None:
    """A worker of Nagios 4 reads 4096 bytes of a plugin that has exited before it reads, and no more."""
    parts = tuple(Part(State.CRITICAL, f"part {number}: {char * 6000}") for number in range(count))
    _, text = render(BAD.replace(parts=(Part(State.OK, "Connected"), *parts), metrics=(TIME, SIZE)), "multi-line")
    assert len(f"{text}\n".encode()) <= 4096
    assert text.endswith("...| time=0.500000s;1.000000;@~:2;0.000000;10.000000 size=7")
    lines = text.splitlines()
    assert lines[0].startswith(f"[CRITICAL] - part 0: {char}")
    assert lines[1] == "\t\\_[OK] - Connected"
    assert len(lines) == count + 2 or 60 < len(lines) < 80


def test_multi_line_cuts_the_longest_parts_alone() -> None:
    parts = (Part(State.OK, "A" * 3000), Part(State.OK, "B" * 1000), Part(State.OK, "C" * 600))
    _, text = render(GOOD.replace(parts=parts), "multi-line")
    assert text.count("B") == 1000
    assert text.count("C") == 600
    assert 2300 < text.count("A") < 2500


def test_json_has_everything_that_a_result_has() -> None:
    code, text = render(GOOD.replace(transcript=("0.1 < hello",)), "json")
    assert code == 0
    assert "\n" not in text
    assert json.loads(text) == {
        "state": "OK",
        "exit_code": 0,
        "text": "FTP OK - fine",
        "parts": [{"state": "OK", "text": "Connected"}, {"state": "OK", "text": "Answered"}],
        "metrics": [
            {
                "label": "time",
                "value": 0.5,
                "unit": "s",
                "warning": "1",
                "critical": "@~:2",
                "minimum": 0.0,
                "maximum": 10.0,
            },
            {"label": "size", "value": 7, "unit": ""},
        ],
        "seconds": 0.5,
        "phases": {"resolve": 0.123457, "connect": 0.25},
        "facts": {"greeting": "220 | ready"},
        "transcript": ["0.1 < hello"],
    }


def test_json_names_the_failure_and_its_phase() -> None:
    code, text = render(BAD, "json")
    assert code == 2
    assert json.loads(text)["failure"] == {"kind": "NotConnected", "phase": "connect"}
