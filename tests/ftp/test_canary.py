"""What becomes of the canary when the time is over, with scripted bytes."""

from __future__ import annotations

import pytest

from noidchecks import FtpProbe
from noidchecks.dialogue.operations import Close, ReserveTime, Send
from noidchecks.errors import DeadlineExceeded, NotConnected, ProbeError
from tests.support.rehearse import Rehearsal, rehearse

LOGGED_IN = (b"220 hi\r\n", b"331 password\r\n", b"230 in\r\n", b"200 type\r\n")
STORED = (*LOGGED_IN, b"229 (|||5001|)\r\n", b"150 go\r\n", b"226 stored\r\n", b"229 (|||5002|)\r\n", b"150 go\r\n")
OVER = "over"


def play(*incoming: bytes | str | ProbeError | None) -> Rehearsal:
    """Rehearses a canary; OVER is where what is kept in reserve begins."""
    steps = [DeadlineExceeded(10) if step == OVER else step for step in incoming]
    return rehearse(FtpProbe("ftp.example.net", put="up", data="").dialogue(), *steps)  # type: ignore[arg-type]


def test_a_share_of_the_deadline_is_kept_while_the_canary_is_there() -> None:
    seen = play(*STORED, OVER)
    assert [operation.seconds for operation in seen.asked(ReserveTime)] == [1.0]
    whole = rehearse(FtpProbe("ftp.example.net", put="up", timeout=100).dialogue(), *LOGGED_IN)
    assert [operation.seconds for operation in whole.asked(ReserveTime)] == [2.0]
    endless = rehearse(FtpProbe("ftp.example.net", put="up", timeout=0).dialogue(), *LOGGED_IN)
    assert endless.asked(ReserveTime) == []


@pytest.mark.parametrize(
    ("late", "left"),
    [
        ([b"426 broken off\r\n", b"250 gone\r\n"], False),
        ([b"426 broken off\r\n226 whatever\r\n250 gone\r\n"], False),
        ([b"250-ended\r\n250 more or less\r\n250 gone\r\n"], False),
        ([b"550 broken off\r\n", b"250 gone\r\n"], False),
        # That may be about the transfer, and DELE may never have been heard.
        ([b"250 gone\r\n"], True),
        ([b"426 broken off\r\n", b"550 permission denied\r\n"], True),
        ([b"426 broken off\r\n"], True),
        ([b"426 broken off\r\n" * 20], True),
        ([], True),
        ([b""], True),
        ([b"garbage\r\n"], True),
        ([NotConnected("Connection reset by peer", 104)], True),
    ],
)
def test_the_reply_to_delete_is_told_from_belated_ones(late: list[bytes | ProbeError], left: bool) -> None:
    seen = play(*STORED, b"half", OVER, *late)
    findings = seen.value
    assert isinstance(findings.failure, DeadlineExceeded)
    name = findings.deep.leftover
    assert bool(name) is left
    last = [operation.data for operation in seen.asked(Send)][-1]
    assert last.startswith(b"DELE up/noidchecks-")
    assert last.decode().strip().endswith(name)


def test_the_data_connection_is_broken_off_before_the_canary_is_deleted() -> None:
    seen = play(*STORED, b"half", OVER)
    closed = seen.operations.index(seen.asked(Close)[-1])
    deleted = seen.operations.index(seen.asked(Send)[-1])
    assert closed < deleted
    assert seen.asked(Close)[-1].channel.address.port == 5002


def test_what_was_not_begun_is_not_deleted() -> None:
    seen = play(*LOGGED_IN, OVER, b"250 gone\r\n")
    assert seen.value.deep.leftover == ""
    assert b"DELE" not in seen.sent
