"""Words that a hostile server says, and what may be printed of them."""

from __future__ import annotations

import json
import re

from hypothesis import strategies as st

SECRET = "hunter2secret"

PHRASE = "pa|ss<phr4se"

PIECES = (
    *("|", "<script>", "</b>", "<img/src=x>", "x=1;2;3", "\x1b[2J", "\r\n", "\n", "\t", "\x00", "\u202e", "é"),
    *(SECRET, PHRASE, SECRET[:-1], "SSH OK - fine", "a" * 95, "a" * 195, "a" * 600, "z" * 35000),
)

HOSTILE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)

# Longer than this Nagios keeps nothing.
LONGEST_LINE = 8192

MOST_LINES = 600


def check_output(text: str) -> None:
    assert SECRET not in text
    assert "phr4se" not in text
    if text.startswith("{"):
        json.loads(text)
        assert text.isprintable()
        return
    lines = text.split("\n")
    assert len(lines) <= MOST_LINES
    assert len(text.splitlines()) == len(lines)
    assert max(map(len, lines)) <= LONGEST_LINE
    assert len(text) < 100_000
    assert all(line.lstrip("\t").isprintable() for line in lines)
    assert not re.search(r"<[\w/!]", text)
    assert text.count("|") == 1
    labels = [word.partition("=")[0] for word in text.rpartition("|")[2].split("\n")[0].split()]
    assert labels[0] == "time"
    assert set(labels) <= {"time", "files", "size", "throughput", "retransmissions"}
