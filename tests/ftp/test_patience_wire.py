"""How long check_ftp waits for more of a greeting, and whose time that is."""

from __future__ import annotations

import pytest

from noidchecks import FtpProbe, Result, State
from noidchecks.status.threshold import Range
from tests.conftest import Check, NewPeer
from tests.support.peers import Step
from tests.support.waiting import LONG, with_time_enough

pytestmark = pytest.mark.usefixtures("nothing_left")

OK, WARNING, CRITICAL = State.OK, State.WARNING, State.CRITICAL


@pytest.mark.parametrize(
    ("script", "state"),
    [([b"220 no line end"], OK), ([b"220"], OK), ([b"SSH-2.0-x\r\n"], WARNING), ([b"220-one\r\n530 no\r\n"], WARNING)],
)
def test_waiting_for_more_than_the_greeting_is_no_response_time(
    check: Check, new_peer: NewPeer, script: list[Step], state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("READ_GAP", "_LINE_PAUSE"):
        monkeypatch.setattr(f"noidchecks.ftp.dialogue.{name}", 3.0)
    peer = new_peer(*script)
    result = check(FtpProbe(peer.host, port=peer.port, timeout=LONG, critical=Range(0, 2.9)))
    assert result.state == state, result.text
    assert result.timings.total >= 3
    assert (result.metrics[0].value or 3) < 2.9


@pytest.mark.parametrize(
    ("sent", "state", "text"),
    [
        (b"22", CRITICAL, "CRITICAL - Socket timeout after "),
        (b"\0", CRITICAL, "CRITICAL - Socket timeout after "),
        (b"220-never\r\n", CRITICAL, "CRITICAL - Socket timeout after "),
        (b"220 no line end", OK, "[220 no line end]"),
        (b"220", OK, "[220]"),
        (b"530 no", WARNING, "Unexpected response from host/socket: 530 no"),
        (b"SSH-2.0-x\r\n", WARNING, "Unexpected response from host/socket: SSH-2.0-x"),
    ],
)
def test_the_deadline_decides_what_is_no_answer_yet(
    check: Check, new_peer: NewPeer, sent: bytes, state: State, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("READ_GAP", "_LINE_PAUSE"):
        monkeypatch.setattr(f"noidchecks.ftp.dialogue.{name}", LONG)

    def attempt(timeout: float) -> Result:
        peer = new_peer(sent)
        return check(FtpProbe(peer.host, port=peer.port, timeout=timeout))

    result = with_time_enough(attempt, lambda result: (result.state, text in result.text) == (state, True))
    assert (result.state, text in result.text) == (state, True), result.text
