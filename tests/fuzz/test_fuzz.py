"""The committed inputs, and five seconds of mutations; `make fuzz` takes longer and is guided by coverage."""

from __future__ import annotations

import time

import pytest

from noidchecks import FtpProbe, Result, State
from tests.fuzz.mutate import mutations
from tests.fuzz.stage import END, RESET, SECRET, SILENCE, Finding, play, require_fit, script
from tests.fuzz.targets import CORPUS, TARGETS, Target

SECONDS = 5.0


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_the_committed_inputs_show_no_fault(target: Target) -> None:
    for raw in target.corpus():
        target.run(raw)


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_mutations_show_no_fault(target: Target) -> None:
    """Always the same inputs, as many of them as the time allows."""
    end = time.monotonic() + SECONDS / len(TARGETS)
    for raw in mutations(target.corpus(), seed=7):
        try:
            target.run(raw)
        except Exception as fault:
            pytest.fail(f"{type(fault).__name__}: {fault}\n{target.name}: {raw!r}")
        if time.monotonic() > end:
            return


def test_there_is_a_corpus_for_each_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


def test_an_input_is_a_script() -> None:
    """A guard against a stage on which nothing is played."""
    result = play(FtpProbe("h"), script(b"220 rea", b"dy\r\n", b"221 bye\r\n", END))
    assert (result.state, result.facts["greeting"]) == (State.OK, "220 ready")
    assert play(FtpProbe("h"), script(SILENCE, RESET)).state == State.CRITICAL
    assert play(FtpProbe("h"), b"").timings.total == 10


@pytest.mark.parametrize("text", ["a\x1b[0m", f"no {SECRET}", "a|b", "x" * 9000])
def test_what_is_not_fit_to_be_printed_is_found(text: str) -> None:
    with pytest.raises(Finding):
        require_fit(Result(State.OK, text), SECRET)
