"""Whatever a server sends, the status line is one line with its own metrics."""

from __future__ import annotations

import re

from hypothesis import example, given, strategies as st

from noidchecks import FtpProbe, Range, Result, State
from noidchecks.status.render import render
from tests.support.perfdata import read_perfdata
from tests.support.rehearse import rehearse

pieces = (
    *(b"220 ", b"220-", b"530 ", b"120 ", b"\r\n", b"\n", b"|", b"=", b";", b"'", b"x=1;2;3", b"FTP OK - fine"),
    *(b"\x00", b"\x1b[2J", b"\xff", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"<b>", b"\t", b"\xff\xf4", b"9" * 5000),
)
hostile = st.one_of(st.binary(max_size=200), st.builds(b"".join, st.lists(st.sampled_from(pieces), max_size=12)))
probes = st.builds(
    FtpProbe.of_any_host,
    st.sampled_from(["127.0.0.1", "a|b\nc", "::1", "/run/x|y\n"]),
    jail=st.booleans(),
    expect=st.sampled_from([(), (b"220",), (b"x=1",)]),
    show_host=st.booleans(),
    show_phases=st.booleans(),
    warning=st.sampled_from([None, Range(0, 1), Range.parse("@1:2")]),
    mismatch_state=st.sampled_from([State.OK, State.WARNING, State.CRITICAL]),
)


def answered(probe: FtpProbe, data: bytes, size: int) -> Result:
    """Judges the answer as it comes in parts of that size, and then the end."""
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    seen = rehearse(probe.dialogue(), *parts, b"")
    return probe.judge(seen.value, seen.timings)


@given(probes, hostile, st.integers(1, 2000))
@example(FtpProbe(), b"220 x | hacked=1;;;;\r\n", 2000)
@example(FtpProbe(), b"220 evil\nFTP OK - injected | x=1\r\n", 2000)
@example(FtpProbe(expect=(b"220",)), b"220 x | hacked=1;;;;", 2000)
def test_the_status_line_is_one_line_with_its_own_metrics(probe: FtpProbe, data: bytes, size: int) -> None:
    result = answered(probe, data, size)
    line = str(result)
    assert len(line) < 8192
    assert len(line.splitlines()) == 1
    text, bar, perfdata = line.partition("|")
    assert text.isprintable()
    assert text.startswith((f"FTP {result.state} - ", "No data received from host"))
    assert bar
    labels = [label for label, *_ in read_perfdata(perfdata)]
    phases = ["dns", "connect", "greeting"] if probe.show_phases else []
    assert labels == ["time", *phases]
    if probe.jail:
        assert "220" not in text.replace(probe.host, "")


@given(probes, hostile)
def test_every_format_is_printable(probe: FtpProbe, data: bytes) -> None:
    result = answered(probe, data, 1024)
    assert render(result, "json")[1].isprintable()
    tree, bar, perfdata = render(result, "multi-line")[1].partition("|")
    assert bar
    assert re.fullmatch(r" (dns|connect|greeting|time)=\S+( \w+=\S+)*", perfdata)
    assert all(line.lstrip("\t").isprintable() for line in tree.split("\n"))
    assert len(tree.split("\n")) == 1 + len(result.parts)


@given(probes, hostile, st.integers(1, 50))
def test_segments_never_change_the_judgement(probe: FtpProbe, data: bytes, size: int) -> None:
    """An answer of several replies may be shown longer or shorter: reading stops when enough has come."""
    assert answered(probe, data, size).state == answered(probe, data, 1024).state
