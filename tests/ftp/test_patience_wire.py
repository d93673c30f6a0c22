"""How long check_ftp waits for more of a greeting, a reply or an upload, and whose time that is."""

from __future__ import annotations

import asyncio
import socket

import pytest

from noidchecks import FtpProbe, Result, State
from noidchecks.status.threshold import Range
from tests.conftest import Check, NewPeer
from tests.support.certificates import Chain
from tests.support.ftp import FtpSession
from tests.support.ftp_servers import Ask, NewServer
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


def assert_not_counted(result: Result) -> None:
    assert result.ok, result.text
    assert result.timings.total >= 3
    assert (result.metrics[0].value or 3) < 2.9


def test_waiting_for_more_of_a_reply_that_is_whole_is_no_response_time(
    ask: Ask, new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noidchecks.ftp.control._REPLY_PAUSE", 3.0)
    server = new_server(PASS=b"230-welcome\r\n220 in\r\n")
    assert_not_counted(ask(server, data="passive", critical=Range(0, 2.9)))


def test_waiting_for_the_end_of_an_upload_that_is_whole_is_no_response_time(
    ask: Ask, new_server: NewServer, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As IIS, the server does not end the connection before the client has closed it."""
    monkeypatch.setattr("noidchecks.ftp.data.REASON_PATIENCE", 3.0)

    async def store(session: FtpSession) -> None:
        await session.send(b"150 go\r\n")
        assert session.listener is not None
        loop = asyncio.get_running_loop()
        sock, _ = await loop.sock_accept(session.listener)
        sock.settimeout(LONG)

        def receive() -> bytes:
            secured = session.server.context.wrap_socket(sock, server_side=True)
            data = b"".join(iter(lambda: secured.recv(4096), b""))
            with socket.socket(fileno=secured.detach()) as bare:
                bare.settimeout(LONG)
                bare.recv(1)
            return data

        session.server.files[session.argument] = await loop.run_in_executor(None, receive)
        await session.send(b"226 stored\r\n")

    server = new_server(chain.pem, STOR=store)
    assert_not_counted(ask(server, tls="explicit", put="", critical=Range(0, 2.9)))
