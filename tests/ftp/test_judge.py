"""The status lines of check_ftp, judged from findings without any I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from errno import ECONNREFUSED, ENETUNREACH
from typing import Any

import pytest

from noidchecks import (
    DeadlineExceeded,
    FtpProbe,
    NotConnected,
    NotResolved,
    PeerError,
    ProbeError,
    Range,
    Result,
    State,
    Timings,
)
from noidchecks.dialogue.certificate import Certificate
from noidchecks.dialogue.tls import TlsFacts
from noidchecks.ftp.findings import FtpFindings

NOW = 1_800_000_000.0


def judged(
    received: bytes = b"",
    *,
    matched: bool = True,
    seconds: float = 0.25,
    failure: ProbeError | None = None,
    tls: TlsFacts | None = None,
    phases: dict[str, float] | None = None,
    **settings: Any,
) -> Result:
    findings = FtpFindings()
    findings.received = received
    findings.matched = matched
    findings.failure = failure
    findings.tls = tls
    if tls is not None:
        settings["tls"] = "implicit"
    return FtpProbe("192.0.2.1", **settings).judge(findings, Timings(seconds, phases))


def failed_in(failure: ProbeError, phase: str) -> ProbeError:
    failure.phase = phase
    return failure


NONE = Range(0, 0)
REFUSED = failed_in(NotConnected("Connection refused", ECONNREFUSED), "connect")
UNREACHABLE = failed_in(NotConnected("Network is unreachable", ENETUNREACH), "connect")
PERF = "|time=0.250000s;;;0.000000;10.000000"
ZEROS = "|time=0.250000s;0.000000;0.000000;0.000000;10.000000"
READY = b"220 ready\r\n"
FULL = b"530 full\r\n"


@pytest.mark.parametrize(
    ("arguments", "state", "line"),
    [
        ({"received": READY}, 0, f"FTP OK - 0.250 second response time on 192.0.2.1 port 21 [220 ready]{PERF}"),
        (
            {"received": READY, "show_host": False},
            0,
            f"FTP OK - 0.250 second response time on port 21 [220 ready]{PERF}",
        ),
        ({"received": READY, "jail": True}, 0, f"FTP OK - 0.250 second response time on 192.0.2.1 port 21{PERF}"),
        (
            {"received": READY, "warning": Range(0, 0.1), "critical": Range(0, 5)},
            1,
            "FTP WARNING - 0.250 second response time on 192.0.2.1 port 21 [220 ready]"
            "|time=0.250000s;0.100000;5.000000;0.000000;10.000000",
        ),
        (
            {"received": READY, "critical": Range(0, 0.25)},
            0,
            "FTP OK - 0.250 second response time on 192.0.2.1 port 21 [220 ready]"
            "|time=0.250000s;;0.250000;0.000000;10.000000",
        ),
        (
            {"received": FULL, "matched": False},
            1,
            f"FTP WARNING - Unexpected response from host/socket: 530 full{PERF}",
        ),
        (
            {"received": FULL, "matched": False, "jail": True},
            1,
            f"FTP WARNING - Unexpected response from host/socket on 192.0.2.1 port 21{PERF}",
        ),
        ({"received": b"x", "matched": False}, 1, f"FTP WARNING - Unexpected response from host/socket: x{PERF}"),
        (
            {"received": FULL, "matched": False, "mismatch_state": State.OK, "warning": NONE, "critical": Range(0, 1)},
            0,
            f"FTP OK - Unexpected response from host/socket: 530 full{ZEROS}",
        ),
        (
            {"received": FULL, "matched": False, "mismatch_state": State.OK, "warning": NONE, "critical": NONE},
            2,
            f"FTP CRITICAL - Unexpected response from host/socket: 530 full{ZEROS}",
        ),
        ({}, 2, f"No data received from host{PERF}"),
        (
            {"failure": REFUSED},
            2,
            f"connect to address 192.0.2.1 and port 21: Connection refused{PERF}",
        ),
        (
            {"failure": REFUSED, "refuse_state": State.OK},
            0,
            f"connect to address 192.0.2.1 and port 21: Connection refused{PERF}",
        ),
        (
            {"failure": UNREACHABLE, "refuse_state": State.OK},
            2,
            f"connect to address 192.0.2.1 and port 21: Network is unreachable{PERF}",
        ),
        (
            {"failure": failed_in(DeadlineExceeded(10), "greeting")},
            2,
            f"CRITICAL - Socket timeout after 10 seconds (greeting){PERF}",
        ),
        (
            {"failure": failed_in(DeadlineExceeded(2), "tls"), "timeout_state": State.UNKNOWN},
            3,
            f"UNKNOWN - Socket timeout after 2 seconds (tls){PERF}",
        ),
        (
            {"failure": failed_in(NotResolved("no such host"), "resolve")},
            2,
            f"FTP CRITICAL - Invalid hostname, address or socket: 192.0.2.1{PERF}",
        ),
        (
            {"received": READY, "failure": PeerError("AUTH TLS refused: 502 |x=1", expected="234", received=b"")},
            2,
            f"FTP CRITICAL - AUTH TLS refused: 502  x=1{PERF}",
        ),
    ],
)  # fmt: skip
def test_status_lines(arguments: dict[str, Any], state: int, line: str) -> None:
    result = judged(**arguments)
    assert str(result) == line
    assert result.state == state


@pytest.mark.parametrize("received", [b"\r\n", b" \n\t"])
def test_of_blanks_alone_nothing_is_shown_as_by_the_c_plugin(received: bytes) -> None:
    place = "on 192.0.2.1 port 21"
    unexpected = judged(received, matched=False).text
    assert unexpected == f"FTP WARNING - Unexpected response from host/socket {place}"
    assert judged(received).text == f"FTP OK - 0.250 second response time {place}"


def test_a_delay_that_was_asked_for_is_not_response_time() -> None:
    result = judged(READY, seconds=1.25, phases={"delay": 1.0, "greeting": 0.2}, warning=Range(0, 0.5))
    assert result.state == State.OK
    assert result.metrics[0].value == pytest.approx(0.25)


def test_phases_are_metrics_when_asked_for() -> None:
    result = judged(READY, phases={"resolve": 0.1, "connect": 0.05, "greeting": 0.1}, show_phases=True)
    assert [metric.label for metric in result.metrics] == ["time", "dns", "connect", "greeting"]


def far(days: int) -> TlsFacts:
    return TlsFacts("TLSv1.3", "X", (Certificate("c", datetime.now(UTC) + timedelta(days=days, hours=1), b""),))


def test_a_good_certificate_has_a_line_of_its_own_before_the_service() -> None:
    result = judged_with_certificate(READY, 400)
    first, second = str(result).splitlines()
    assert first.startswith("OK - Certificate 'c' will expire on ")
    assert second == f"FTP OK - 0.250 second response time on 192.0.2.1 port 21 [220 ready]{PERF}"
    assert result.state == State.OK


def test_a_bad_certificate_does_not_hide_the_service() -> None:
    result = judged_with_certificate(READY, 5)
    first, second = str(result).splitlines()
    assert first.startswith("CRITICAL - Certificate 'c' expires in 5 day(s)")
    assert second.startswith("FTP OK - ")
    assert result.state == State.CRITICAL


def test_the_certificate_stands_first_as_with_the_c_plugin() -> None:
    result = judged_with_certificate(FULL, 400, matched=False)
    first, second = str(result).splitlines()
    assert first.startswith("OK - Certificate 'c' will expire on ")
    assert second == f"FTP WARNING - Unexpected response from host/socket: 530 full{PERF}"
    assert result.state == State.WARNING


def judged_with_certificate(received: bytes, days: int, *, matched: bool = True) -> Result:
    return judged(received, matched=matched, tls=far(days), certificate_days=(30, 14))
