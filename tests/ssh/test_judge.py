from __future__ import annotations

import pytest

from noidchecks import (
    DeadlineExceeded,
    NotConnected,
    NotResolved,
    ProbeError,
    Range,
    Result,
    SshProbe,
    State,
    Timings,
)
from noidchecks.ssh.findings import SshFindings
from noidchecks.ssh.wire import Identification

Q = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3"


def judged(probe: SshProbe, line: bytes = Q, seconds: float = 0.25) -> Result:
    findings = SshFindings()
    findings.identification = Identification.parse(line)
    return probe.judge(findings, Timings(seconds, {"resolve": 0.125, "connect": 0.0, "greeting": 0.125}))


def failed(probe: SshProbe, failure: ProbeError, phase: str) -> Result:
    findings = SshFindings()
    failure.phase = phase
    findings.failure = failure
    return probe.judge(findings, Timings(0.25))


def refused(probe: SshProbe, refusal: str, line: bytes) -> Result:
    findings = SshFindings()
    findings.refusal, findings.lines = refusal, [line]
    return probe.judge(findings, Timings(0.25))


def test_healthy() -> None:
    result = judged(SshProbe("h"))
    assert str(result) == "SSH OK - OpenSSH_9.2p1 (protocol 2.0) | time=0.250000s;;;0.000000;10.000000"
    assert result.summary == "SSH check was successful"
    assert [str(part.text) for part in result.parts] == [
        "SSH server version: OpenSSH_9.2p1 (protocol version: 2.0)",
        "Valid protocol version control string SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
        "Connection time 0.250000s is within thresholds",
    ]
    assert result.facts == {
        "identification": "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
        "protocol": "2.0",
        "software": "OpenSSH_9.2p1",
        "comment": "Debian-2+deb12u3",
        "pre_banner_lines": [],
        "refusal": "",
    }


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"remote_version": "OpenSSH_9.2p1"}, ""),
        ({"remote_version": "OpenSSH_9.2p1 Debian-2+deb12u3"}, ""),
        ({"remote_version": "OpenSSH_8"}, "version mismatch, expected 'OpenSSH_8'"),
        ({"remote_version": "OpenSSH_9.2p1 "}, "version mismatch, expected 'OpenSSH_9.2p1 '"),
        ({"remote_version": ""}, "version mismatch, expected ''"),
        ({"remote_version": "a|b\nc"}, "version mismatch, expected 'a b c'"),
        ({"remote_protocol": "2.0"}, ""),
        ({"remote_protocol": "1.99"}, "protocol version mismatch, expected '1.99'"),
        ({"remote_protocol": ""}, "protocol version mismatch, expected ''"),
        ({"remote_version": "x", "remote_protocol": "y"}, "version mismatch, expected 'x'"),
        ({"version_pattern": r"^OpenSSH_9\."}, ""),
        ({"version_pattern": "Debian"}, ""),
        ({"version_pattern": "^Debian|x"}, "version mismatch, expected a match of '^Debian x'"),
        ({"version_pattern": "[[]"}, "version mismatch, expected a match of '[[]'"),
        ({"min_version": "9.2"}, ""),
        ({"min_version": "9.2p1"}, ""),
        ({"min_version": "8.10"}, ""),
        ({"min_version": "9"}, ""),
        ({"min_version": "9.2p2"}, "version mismatch, expected at least '9.2p2'"),
        ({"min_version": "9.10"}, "version mismatch, expected at least '9.10'"),
        ({"min_version": "10"}, "version mismatch, expected at least '10'"),
    ],
)
def test_versions(settings: dict[str, str], complaint: str) -> None:
    result = judged(SshProbe("h", **settings))  # type: ignore[arg-type]  # only keywords of text
    if complaint:
        assert result.state == State.CRITICAL
        assert result.text == f"SSH CRITICAL - OpenSSH_9.2p1 (protocol 2.0) {complaint}"
        assert result.parts[0].state == State.CRITICAL
        assert str(result).endswith(" | time=0.250000s;;;0.000000;10.000000")
    else:
        assert result.ok


def test_no_version_number() -> None:
    result = judged(SshProbe("h", min_version="1"), b"SSH-2.0-ROSSSH")
    assert result.text == "SSH CRITICAL - ROSSSH (protocol 2.0) has no version number, expected at least '1'"


def test_versions_compare_as_bytes() -> None:
    assert judged(SshProbe("h", remote_version="a\udcff"), b"SSH-2.0-a\xff").ok
    assert judged(SshProbe("h", remote_version="\u00e4"), "SSH-2.0-\u00e4".encode()).ok


def test_hostile_version_is_printed_safely() -> None:
    line = b"SSH-2.0-evil|load=99;1;2\0\x1b[2J\xff\r<script> c|x=1"
    assert str(judged(SshProbe("h"), line)) == (
        "SSH OK - evil load=99;1;2\\x00\\x1b[2J\\xff < script> (protocol 2.0) | time=0.250000s;;;0.000000;10.000000"
    )


@pytest.mark.parametrize(
    ("warning", "critical", "state", "limits"),
    [
        ("1", "2", State.OK, "1.000000;2.000000"),
        ("0.1", "2", State.WARNING, "0.100000;2.000000"),
        ("0.1", "0.2", State.CRITICAL, "0.100000;0.200000"),
        ("1:", None, State.WARNING, "1:;"),
    ],
)
def test_thresholds(warning: str, critical: str | None, state: State, limits: str) -> None:
    probe = SshProbe("h", warning=Range.parse(warning), critical=Range.parse(critical) if critical else None)
    result = judged(probe)
    assert result.state == state
    slow = "" if state == State.OK else ", 0.250 second response time"
    assert str(result) == (
        f"SSH {state} - OpenSSH_9.2p1 (protocol 2.0){slow} | time=0.250000s;{limits};0.000000;10.000000"
    )


def test_mismatch_outranks_a_slow_answer() -> None:
    result = judged(SshProbe("h", warning=Range(0, 0), remote_version="x"))
    assert result.state == State.CRITICAL
    assert "second response time" not in result.text


def test_phases() -> None:
    metrics = judged(SshProbe("h", show_phases=True)).metrics
    assert [metric.label for metric in metrics] == ["time", "dns", "connect", "greeting"]


@pytest.mark.parametrize(("timeout", "shown"), [(0, "0.000000"), (-1, "-1.000000"), (30, "30.000000")])
def test_timeout_is_the_maximum(timeout: int, shown: str) -> None:
    assert str(judged(SshProbe("h", timeout=timeout))).endswith(f";;;0.000000;{shown}")


@pytest.mark.parametrize(
    ("refusal", "line"),
    [("overloaded", b"Exceeded MaxStartups"), ("overloaded or penalising us", b"Not allowed at this time")],
)
@pytest.mark.parametrize("state", [State.OK, State.WARNING, State.CRITICAL, State.UNKNOWN])
def test_overload_has_a_name_and_a_state(refusal: str, line: bytes, state: State) -> None:
    result = refused(SshProbe("h", overload_state=state), refusal, line)
    assert result.state == state
    assert result.text == f"SSH {state} - Server is {refusal}: {line.decode()}"
    assert result.facts["refusal"] == refusal
    assert result.failure is not None
    assert result.failure.phase == "greeting"


def test_overload_is_a_warning_unless_asked_otherwise() -> None:
    assert refused(SshProbe("h"), "overloaded", b"Exceeded MaxStartups").state == State.WARNING


@pytest.mark.parametrize(
    ("failure", "phase", "text"),
    [
        (NotConnected("Connection refused", 111), "connect", "connect to address h and port 22: Connection refused"),
        (NotConnected("Connection reset", 104), "greeting", "SSH CRITICAL - No version control string received"),
        (DeadlineExceeded(10), "greeting", "CRITICAL - Socket timeout after 10 seconds (greeting)"),
        (DeadlineExceeded(10), "resolve", "CRITICAL - Socket timeout after 10 seconds (resolve)"),
    ],
)
def test_failures(failure: ProbeError, phase: str, text: str) -> None:
    result = failed(SshProbe("h"), failure, phase)
    assert str(result) == f"{text} | time=0.250000s;;;0.000000;10.000000"
    assert result.failure is failure


def test_reset_is_told_apart_in_the_parts() -> None:
    result = failed(SshProbe("h"), NotConnected("Connection reset by peer", 104), "greeting")
    assert [part.text for part in result.parts] == ["No version control string received: Connection reset by peer"]


def test_timeout_state() -> None:
    result = failed(SshProbe("h", timeout_state=State.UNKNOWN), DeadlineExceeded(10), "connect")
    assert result.text == "UNKNOWN - Socket timeout after 10 seconds (connect)"


def test_unknown_name() -> None:
    result = failed(SshProbe("nosuch.invalid"), NotResolved("Name or service not known"), "resolve")
    assert result.state == State.UNKNOWN
    assert str(result) == "check_ssh: Invalid hostname/address - nosuch.invalid"
    assert result.parts[0].text == "Invalid hostname/address - nosuch.invalid (Name or service not known)"
