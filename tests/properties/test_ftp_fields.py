"""Whatever a server puts into whichever field, the whole output of a check that logs in holds its own words alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given, strategies as st

from noidchecks import File, FtpProbe, Listing, Login, Result
from noidchecks.dialogue.certificate import Certificate
from noidchecks.dialogue.tls import TlsFacts
from noidchecks.drivers.transcript import Transcript
from noidchecks.status.render import render
from tests.support.perfdata import read_perfdata
from tests.support.rehearse import rehearse

SECRET = "open sesame"
# Each field that a server fills, by where it stands in the session.
FIELDS = ("greeting", "USER", "PASS", "TYPE", "EPSV", "PASV", "begin", "names", "end", "MDTM", "RETR", "QUIT")
RIGHT = {
    "greeting": b"220 hi\r\n", "USER": b"331 password\r\n", "PASS": b"230 in\r\n", "TYPE": b"200 type\r\n",
    "EPSV": b"229 (|||5001|)\r\n", "PASV": b"227 (192,0,2,1,19,137)\r\n", "begin": b"150 go\r\n",
    "names": b"a\r\nb\r\n", "end": b"226 done\r\n", "MDTM": b"213 20330518033320\r\n", "RETR": b"150 go\r\n",
    "QUIT": b"221 bye\r\n",
}  # fmt: skip
PIECES = (
    *(b"|", b"evil=1;2;3", b"<b>", b"<script>", b"\x1b[2J", b"\xff\xfb\x01", b"\0", b"\n", b"\r\n", b"\r", b"'", b"="),
    *(b"\xe2\x80\xae", SECRET.encode(), b"x" * 35_000, b"FTP OK - fine", b"-", b" ", b"550 no ", b"(|||", b"227 "),
)
hostile = st.builds(b"".join, st.lists(st.sampled_from(PIECES), min_size=1, max_size=8))


def played(field: str, reply: bytes, transcript: Transcript, **settings: Any) -> Result:
    """Plays a session in which one field is the server's own choice."""
    said = RIGHT | {field: reply}
    probe = FtpProbe("192.0.2.1", login=Login("bob", SECRET), listing=Listing("pub", min_files=1), **settings)
    order = ("greeting", "USER", "PASS", "TYPE", "EPSV", "begin", "names")
    rest = (b"", said["end"], said["TYPE"], said["MDTM"], said["EPSV"], said["RETR"], b"hello", b"", said["end"])
    incoming = (*(said[name] for name in order), *rest, said["PASV"], said["QUIT"])
    probe = probe.replace(get=File("f", max_age=1e9))
    seen = rehearse(recorded(probe.dialogue(), transcript), *(part for part in incoming if part or part == b""))
    return probe.judge(seen.value, seen.timings).replace(transcript=transcript.lines())


def recorded(dialogue: Any, transcript: Transcript) -> Any:
    """Lets a transcript see what a driver lets it see."""
    step = partial(dialogue.send, None)
    while True:
        try:
            operation = step()
        except StopIteration as stop:
            return stop.value
        try:
            answer = yield operation
        except Exception as error:
            transcript.add(0.0, operation, error)
            step = partial(dialogue.throw, error)
        else:
            transcript.add(0.0, operation, answer)
            step = partial(dialogue.send, answer)


def holds(result: Result) -> None:
    """Everything that is printed is one line of text, our own metrics, and no secret."""
    line = str(result.replace(transcript=()))
    text, bar, perfdata = line.partition("|")
    assert bar
    assert text.isprintable()
    assert len(line) < 8192
    known = {"time", "epsv", "pasv", "files", "size", "throughput"}
    assert {label for label, *_ in read_perfdata(perfdata)} <= known
    shown = [str(result), *result.transcript, *(part.text for part in result.parts)]
    shown += [render(result, name)[1] for name in ("json", "multi-line")]
    shown.append(json.dumps(result.facts, default=str))
    for words in shown:
        assert SECRET not in words
        assert "\x1b" not in words
        assert "<b>" not in words
        assert "<script>" not in words
    assert all(words.isprintable() and "|" not in words for words in result.transcript)
    assert all(part.text.isprintable() and "|" not in part.text and len(part.text) < 5000 for part in result.parts)
    assert sum(map(len, result.transcript)) < 100_000


@given(
    st.sampled_from(FIELDS), st.sampled_from([b"", b"550 ", b"530-", b"200 ", b"331 ", b"150 ", b"226 "]), hostile,
)  # fmt: skip
def test_every_field_of_a_session(field: str, code: bytes, words: bytes) -> None:
    holds(played(field, code + words + b"\r\n", Transcript()))


@pytest.mark.parametrize("field", FIELDS)
def test_a_secret_that_is_repeated(field: str) -> None:
    for code in (b"550 ", b"530-", b"229 ", b""):
        holds(played(field, code + b"the password is open sesame | evil=1\r\n", Transcript()))


@given(hostile)
def test_the_name_of_a_certificate(words: bytes) -> None:
    probe = FtpProbe("192.0.2.1", tls="implicit", certificate_days=(30, 14))
    seen = rehearse(FtpProbe("192.0.2.1").dialogue(), b"220 hi\r\n")
    name = words.decode("latin-1").replace(SECRET, "")
    chain = tuple(Certificate(name + who, datetime(2030, 1, day, tzinfo=UTC), b"") for day, who in ((2, "a"), (1, "b")))
    seen.value.tls = TlsFacts("TLSv1.3", "x", chain)
    result = probe.judge(seen.value, seen.timings)
    first, _, second = result.text.partition("\n")
    assert first.isprintable()
    assert second.isprintable()
    assert "|" not in result.text
    assert len(result.text) < 1500
