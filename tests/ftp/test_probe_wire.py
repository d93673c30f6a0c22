"""check_ftp against scripted peers: both drivers, both families, nothing left behind."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import noidchecks
from noidchecks import FtpProbe, Result, State
from noidchecks.ftp.findings import FtpFindings
from noidchecks.status.render import render
from tests.conftest import Check, NewPeer
from tests.support.peers import (
    Act,
    Client,
    Peer,
    Step,
    await_text,
    close,
    drip,
    endless,
    half_close,
    reset,
    silent,
    unused_port,
)
from tests.support.rehearse import rehearse
from tests.support.waiting import DEADLINES, LONG

pytestmark = pytest.mark.usefixtures("nothing_left")

READY = b"220 ready\r\n"
Ask = Callable[..., Result]


@pytest.fixture(autouse=True)
def short_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the wait for more after an answer that does not match yet."""
    monkeypatch.setattr("noidchecks.ftp.dialogue.READ_GAP", 0.3)


@pytest.fixture
def ask(check: Check, new_peer: NewPeer) -> Ask:
    """Checks a peer that plays the script."""

    def checked(*script: Step, **settings: Any) -> Result:
        peer = new_peer(*script)
        return check(FtpProbe(peer.host, port=peer.port, **{"timeout": LONG} | settings))

    return checked


OK, WARNING, CRITICAL = State.OK, State.WARNING, State.CRITICAL


@pytest.mark.parametrize(
    ("script", "state", "shown"),
    [
        ([READY], OK, "[220 ready]"),
        ([drip(READY)], OK, "[220 ready]"),
        ([b"22", 0.05, b"0 split\r\n"], OK, "[220 split]"),
        ([b"220 no line end"], OK, "[220 no line end]"),
        ([b"220 no line end", half_close], OK, "[220 no line end]"),
        ([b"220-one\r\n", 0.05, b"220-two\r\n", 0.05, b"220 three\r\n"], OK, "[220-one 220-two 220 three]"),
        ([b"120 soon\r\n", 0.05, READY], OK, "[120 soon 220 ready]"),
        ([b"120 soon\r\n", close], WARNING, "Unexpected response from host/socket: 120 soon"),
        ([b"421 full\r\n"], WARNING, "Unexpected response from host/socket: 421 full"),
        ([b"220-never\r\n220-ends\r\n", close], WARNING, "Unexpected response from host/socket: 220-never 220-ends"),
        ([b"220-never\r\n", reset], WARNING, "Unexpected response from host/socket: 220-never"),
        ([b"SSH-2.0-x\r\n"], WARNING, "Unexpected response from host/socket: SSH-2.0-x"),
        ([b"x"], WARNING, "Unexpected response from host/socket: x"),
        ([b"22"], WARNING, "Unexpected response from host/socket: 22"),
        ([b"\xff\xfb\x01" + READY], OK, "[\\xff\\xfb\\x01220 ready]"),
        ([b"\r\nBe kind.\r\n", 0.05, READY], OK, "Be kind. 220 ready]"),
        ([b"Be kind.\r\n", close], WARNING, "Unexpected response from host/socket: Be kind."),
        ([b"220 ready\r"], OK, "[220 ready]"),
        ([b"220-one\r220 two\r"], OK, "[220-one 220 two]"),
        ([b"220\r\n"], OK, "[220]"),
        ([b"220-one\r\n530 no\r\n"], WARNING, "Unexpected response from host/socket: 220-one 530 no"),
        ([b"220 \0\x1b[31mred\x07 | load=99;1;2\r\n"], OK, "[220 \\x00\\x1b[31mred\\x07   load=99;1;2]"),
        ([b"220 evil\nFTP OK - injected | x=1\n"], OK, "[220 evil FTP OK - injected   x=1]"),
        ([b"220 <script>alert(1)</script>\r\n"], OK, "[220 < script>alert(1)< /script>]"),
        ([endless(b"y" * 1000)], WARNING, "Unexpected response from host/socket: yyy"),
        ([endless(b"220-y\r\n")], WARNING, "Unexpected response from host/socket: 220-y 220-y"),
        ([READY, reset], OK, "[220 ready]"),
        ([b"530 no\r\n", reset], WARNING, "Unexpected response from host/socket: 530 no"),
        ([close], CRITICAL, "No data received from host"),
        ([reset], CRITICAL, "No data received from host"),
        ([0.05, reset], CRITICAL, "No data received from host"),
        ([half_close], CRITICAL, "No data received from host"),
    ],
)  # fmt: skip
def test_greetings(ask: Ask, script: list[Step], state: State, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if state == OK:
        # Whatever is still missing does come.
        monkeypatch.setattr("noidchecks.ftp.dialogue.READ_GAP", LONG)
    result = ask(*script)
    assert (result.state, shown in result.text) == (state, True), result.text
    assert str(result).count("\n") == 0
    assert str(result).count("|") == 1
    assert [metric.label for metric in result.metrics] == ["time"]


def test_the_server_is_told_goodbye(check: Check, new_peer: NewPeer) -> None:
    peer = new_peer(READY)
    check(FtpProbe(peer.host, port=peer.port))
    peer.settle()
    assert peer.received == [b"QUIT\r\n"]


def test_send_comes_before_the_greeting_is_read(check: Check, new_peer: NewPeer) -> None:
    peer = new_peer(await_text(b"HELP"), b"214 GOT IT\r\n")
    result = check(FtpProbe(peer.host, port=peer.port, send=b"HELP\r\n", expect=(b"GOT",), quit=b"BYE"))
    peer.settle()
    assert result.ok, result.text
    assert peer.received == [b"HELP\r\nBYE"]


@pytest.mark.parametrize(
    ("expect", "match_all", "state"),
    [
        ((b"ready",), False, OK),
        ((b"READY",), False, WARNING),
        ((b"nope", b"ready"), False, OK),
        ((b"220", b"ready"), True, OK),
        ((b"nope", b"ready"), True, WARNING),
        ((b"",), False, OK),
    ],
)
def test_expected_strings(ask: Ask, expect: tuple[bytes, ...], match_all: bool, state: State) -> None:
    assert ask(READY, half_close, expect=expect, match_all=match_all).state == state


def test_a_limit_does_not_hide_a_mismatch(ask: Ask) -> None:
    long = b"220 " + b"y" * 9000
    assert ask(long, expect=(b"ZZZ",), maxbytes=5).state == State.WARNING
    assert ask(long, maxbytes=2).state == State.OK
    assert ask(b"220", maxbytes=2).state == State.OK


def test_silence_ends_at_the_deadline(ask: Ask) -> None:
    for timeout in DEADLINES:
        result = ask(silent, timeout=timeout)
        if "greeting" in result.timings.phases:
            break
    assert result.state == State.CRITICAL
    assert result.text == f"CRITICAL - Socket timeout after {timeout:g} seconds (greeting)"
    assert isinstance(result.failure, noidchecks.DeadlineExceeded)
    assert result.timings.total >= timeout


def test_an_unfinished_greeting_ends_at_the_deadline(ask: Ask) -> None:
    for timeout in DEADLINES:
        result = ask(b"220-wait\r\n", timeout=timeout, timeout_state=State.UNKNOWN)
        if "greeting" in result.timings.phases:
            break
    assert result.text == f"UNKNOWN - Socket timeout after {timeout:g} seconds (greeting)"


def test_nobody_listens(check: Check, host: str) -> None:
    port = unused_port(host)
    result = check(FtpProbe(host, port=port, refuse_state=State.WARNING))
    assert result.text == f"connect to address {host} and port {port}: Connection refused"


def test_a_name_with_a_dead_first_address_is_reached_at_the_second(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Peer(READY) as peer:
        from noidchecks.address import Address
        from noidchecks.drivers import resolver

        both = (Address(10, ("::1", peer.port, 0, 0)), Address(2, ("127.0.0.1", peer.port)))
        monkeypatch.setattr(resolver, "_addresses", lambda *_: both)
        assert check(FtpProbe("twice.example", port=peer.port)).ok


def test_a_unix_socket(check: Check, tmp_path: Path) -> None:
    path = str(tmp_path / "u")
    with Peer(READY, host=path):
        result = check(FtpProbe(path))
        assert result.text.endswith(f"second response time on socket {path} [220 ready]")
    Path(path).unlink()
    gone = check(FtpProbe(path, refuse_state=State.OK))
    assert gone.text == f"connect to file socket {path}: No such file or directory"


async def test_a_cancelled_check_leaves_nothing_behind() -> None:
    with Peer() as peer:
        task = asyncio.create_task(noidchecks.check_async(FtpProbe(peer.host, port=peer.port)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(peer.settle)


def test_the_driver_does_not_matter_to_the_dialogue() -> None:
    seen = rehearse(FtpProbe("h").dialogue(), b"220-a\r\n", b"220 b\r\n")
    findings = seen.value
    assert isinstance(findings, FtpFindings)
    assert findings.matched
    assert seen.phases == ["resolve", "connect", "greeting"]
    assert seen.sent == b"QUIT\r\n"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made certificate for good.example and 127.0.0.1, with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "400",
         "-subj", "/CN=good.example", "-addext", "subjectAltName=DNS:good.example,IP:127.0.0.1,IP:::1"],
        check=True, capture_output=True,
    )  # fmt: skip
    pem.write_bytes(pem.read_bytes() + key.read_bytes())
    return pem


def speak_tls(pem: Path, *answers: bytes) -> Act:
    """Shakes hands as the server, sends the answers, and reads what comes until the client is gone."""

    async def act(client: Client) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        plain = b""
        raw = client.received = b""
        while True:
            try:
                tls.do_handshake()
                for answer in answers:
                    tls.write(answer)
                answers_left = outgoing.read()
                await client.send(answers_left)
                break
            except ssl.SSLWantReadError:
                await client.send(outgoing.read())
                raw = await client.receive()
                if not raw:
                    return
                incoming.write(raw)
        # The client's first words may have come with the end of the handshake.
        while raw:
            try:
                while data := tls.read():
                    plain += data
                    if data == b"NOOP\r\n":
                        tls.write(b"530 log in first\r\n")
            except ssl.SSLError:
                pass
            if outgoing.pending:
                await client.send(outgoing.read())
            client.received = plain
            raw = await client.receive()
            incoming.write(raw)

    return act


def test_implicit_tls(check: Check, new_peer: NewPeer, certificate: Path) -> None:
    peer = new_peer(speak_tls(certificate, READY))
    result = check(
        FtpProbe(peer.host, port=peer.port, timeout=LONG, tls="implicit", certificate_days=(30, 14), show_phases=True)
    )
    assert result.ok, result.text
    assert result.text.splitlines()[0].startswith("OK - Certificate 'good.example' will expire on ")
    assert "tls" in result.timings.phases
    peer.settle()
    assert peer.received[0].endswith(b"QUIT\r\n")


def test_explicit_tls(check: Check, new_peer: NewPeer, certificate: Path) -> None:
    peer = new_peer(b"220-a\r\n220 b\r\n", await_text(b"AUTH TLS\r\n"), b"234 go\r\n", speak_tls(certificate))
    verified = check(
        FtpProbe(
            peer.host,
            port=peer.port,
            timeout=LONG,
            tls="explicit",
            verify=True,
            ca_file=str(certificate),
            sni="good.example",
        )
    )
    assert verified.ok, verified.text
    strange = check(FtpProbe(peer.host, port=peer.port, timeout=LONG, tls="explicit", verify=True))
    assert strange.text == "FTP CRITICAL - Cannot verify certificate: self-signed certificate"
    name = check(
        FtpProbe(
            peer.host,
            port=peer.port,
            timeout=LONG,
            tls="explicit",
            verify=True,
            ca_file=str(certificate),
            sni="bad.example",
        )
    )
    assert name.state == State.CRITICAL
    assert "Hostname mismatch" in name.text


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ([READY, await_text(b"AUTH"), b"502 no\r\n"], "AUTH TLS refused: 502 no"),
        ([READY, await_text(b"AUTH"), close], "AUTH TLS was not answered"),
        ([READY, await_text(b"AUTH"), endless(b"234-x\r\n")], "AUTH TLS was not answered"),
        ([READY, await_text(b"AUTH"), reset], "connection lost (tls): Connection reset by peer"),
        (
            [READY, await_text(b"AUTH"), b"234 go\r\n230 injected\r\n"],
            "Plain text after the reply 234 to AUTH TLS",
        ),
        ([READY, await_text(b"AUTH"), b"234 go\r\n", await_text(b"\x16"), b"plain\r\n"],
         "Cannot make SSL connection. (wrong version number)"),
        ([READY, await_text(b"AUTH"), b"234 go\r\n", await_text(b"\x16"), close],
         "Cannot make SSL connection. (connection closed by the peer)"),
        ([READY, await_text(b"AUTH"), b"234 go\r\n", await_text(b"\x16"), reset],
         "Cannot make SSL connection. (Connection reset by peer)"),
    ],
)  # fmt: skip
def test_explicit_tls_refused(ask: Ask, script: list[Step], text: str) -> None:
    result = ask(*script, tls="explicit")
    assert result.text == f"{'' if text.startswith('Cannot make SSL') else 'FTP '}CRITICAL - {text}"
    assert result.metrics


def test_an_unexpected_greeting_is_not_asked_for_tls(check: Check, new_peer: NewPeer) -> None:
    peer = new_peer(b"421 full\r\n")
    result = check(FtpProbe(peer.host, port=peer.port, timeout=LONG, tls="explicit"))
    peer.settle()
    assert result.text == "FTP WARNING - Unexpected response from host/socket: 421 full"
    assert peer.received == [b"QUIT\r\n"]


def test_json_holds_what_was_seen(ask: Ask) -> None:
    code, text = render(ask(b"530 no | x\r\n"), "json")
    assert code == 1
    assert '"reply_code": 530' in text
    assert '"greeting": "530 no   x"' in text
