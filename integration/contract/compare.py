"""Runs the C plugin and ours with the same words and compares what an operator and a graph would see.

The C plugin's text must be the beginning of ours, its exit code and its performance data ours.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.peers import Peer, Step

OURS = Path(sys.executable).parent
THEIRS = Path("/usr/lib/nagios/plugins")


@dataclass(frozen=True, slots=True)
class Output:
    """Exit code and standard output of a plugin, with times masked and without the usage text."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"

    @property
    def parts(self) -> tuple[str, str]:
        """The text and the performance data, which begins behind the last bar that a metric follows."""
        found = re.fullmatch(r"(.*?)\| ?(time=[^|]*)", self.text, re.DOTALL)
        return (found[1], found[2]) if found else (self.text, "")

    def stands_in_for(self, theirs: Output) -> bool:
        """Whether this is all that the C plugin says, with nothing behind it but a remark in parentheses."""
        text, perfdata = self.parts
        their_text, their_perfdata = theirs.parts
        added = text.removeprefix(their_text)
        return (
            self.code == theirs.code
            and text.startswith(their_text)
            and (not added or not their_text or re.fullmatch(r"( \([^()]*\))? ?", added) is not None)
            and their_perfdata in ("", perfdata)
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """An intended difference: what ours prints, as a pattern for the whole output, and why.

    `always` is False where the C plugin prints now one thing and now another, so that the two may agree by chance.
    """

    reason: str
    code: int
    text: str
    always: bool = True

    def explains(self, ours: Output) -> bool:
        """Whether this is how ours is meant to differ."""
        return self.code == ours.code and re.fullmatch(self.text, ours.text, re.DOTALL) is not None


@contextmanager
def peer(script: Sequence[Step] | None) -> Iterator[int]:
    """A peer that plays the script, or none; yields its port."""
    if script is None:
        yield 0
        return
    with Peer(*script) as started:
        yield started.port


def both(plugin: str, words: Sequence[str]) -> tuple[Output, Output]:
    """Returns the outputs of the C plugin and of ours."""
    return run(THEIRS / plugin, words), run(OURS / plugin, words)


def run(program: Path, words: Sequence[str]) -> Output:
    """Runs one plugin; a death by signal is a negative code."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        [program, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False, env=environment
    )
    if program.parent == OURS:
        assert done.stderr == b"", "ours prints nothing on standard error"
    return Output(done.returncode, _masked(done.stdout.decode(errors="backslashreplace")))


def filled(words: str | Sequence[str], port: int) -> list[str]:
    """Returns the words with {h} for the loopback address and {p} for the port of the peer."""
    split = words.split() if isinstance(words, str) else words
    return [word.format(h="127.0.0.1", p=port) for word in split]


def assert_same(theirs: Output, ours: Output, difference: Difference | None) -> None:
    """Asserts that ours stands in for the C plugin, or differs as it is meant to."""
    if difference is None:
        assert ours.stands_in_for(theirs), f"\nours: {ours}\nC:    {theirs}"
        return
    if difference.always:
        assert not ours.stands_in_for(theirs), f"no longer a difference: {difference.reason}"
    assert difference.explains(ours), f"\nours:  {ours}\nC:     {theirs}\nmeant: {difference.code} {difference.text}"


def _masked(text: str) -> str:
    text = text.partition("\nUsage:")[0] if not text.startswith("Usage:") else ""
    text = re.sub(r"\b\d+\.\d{3} second", "T3 second", text)
    text = re.sub(r"\btime=\d+\.\d{6}s", "time=T6s", text)
    return text.rstrip("\n")
