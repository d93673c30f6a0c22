"""What TLS says late, and the names that it verifies: both drivers, both families."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noidchecks import FtpProbe, Login, Result, State
from noidchecks.dialogue import tls_context
from noidchecks.dialogue.certificate import read_authorities
from noidchecks.dialogue.tls import TlsSettings
from tests.conftest import Check
from tests.support.certificates import Chain
from tests.support.ftp import Answer, FtpServer, FtpSession, drop, reset
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(params=["implicit", "explicit"])
def server(request: pytest.FixtureRequest, host: str, chain: Chain) -> Iterator[FtpServer]:
    with FtpServer(host, {}, chain.pem, implicit=request.param == "implicit") as running:
        yield running


def ask(check: Check, server: FtpServer, **settings: Any) -> Result:
    tls = "implicit" if server.is_implicit else "explicit"
    return check(FtpProbe(server.host, port=server.port, tls=tls, **{"timeout": LONG} | settings))


def demand_certificate(server: FtpServer, chain: Chain, version: ssl.TLSVersion) -> None:
    server.context.minimum_version = server.context.maximum_version = version
    server.context.load_verify_locations(chain.root)
    server.context.verify_mode = ssl.CERT_REQUIRED


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("deep", [False, True])
def test_a_demanded_certificate_is_missed(
    check: Check, server: FtpServer, chain: Chain, version: ssl.TLSVersion, deep: bool
) -> None:
    """With TLS 1.3 the server says so behind the handshake: by an alert, or as asyncio's by leaving."""
    demand_certificate(server, chain, version)
    result = ask(check, server, **{"login": Login()} if deep else {})
    assert result.state == State.CRITICAL, result.text


@pytest.mark.parametrize("answer", [b"200 ok\r\n", b"530 log in first\r\n", b"500 what\r\n"])
def test_any_reply_behind_the_handshake_will_do(check: Check, host: str, chain: Chain, answer: Answer) -> None:
    with FtpServer(host, {"NOOP": answer}, chain.pem) as server:
        assert ask(check, server).ok
        assert server.await_command("QUIT")
        assert server.commands == ["AUTH TLS", "NOOP", "QUIT"]


@pytest.mark.parametrize("rest", [(b"220 ready\r\n",), (b"more\r\n220 re", b"ady\r\n")])
def test_what_is_left_of_a_greeting_is_no_reply_to_auth(
    check: Check, host: str, chain: Chain, rest: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noidchecks.ftp.dialogue.READ_GAP", 0.05)
    monkeypatch.setattr("noidchecks.ftp.dialogue._LINE_PAUSE", LONG)

    async def greet(session: FtpSession) -> None:
        await session.send(b"220-Hello\r\n")
        for piece in rest:
            await asyncio.sleep(0.1)
            await session.send(piece)

    with FtpServer(host, {"greeting": greet}, chain.pem) as server:
        result = ask(check, server, expect=(b"Hello",))
        assert result.ok, result.text
        assert server.await_command("QUIT")
        assert server.commands == ["AUTH TLS", "NOOP", "QUIT"]


@pytest.mark.parametrize("answer", [drop, reset])
def test_an_end_behind_the_handshake_is_named(check: Check, host: str, chain: Chain, answer: Answer) -> None:
    with FtpServer(host, {"NOOP": answer}, chain.pem) as server:
        result = ask(check, server)
    assert result.state == State.CRITICAL
    assert result.failure is not None
    assert result.failure.phase == "tls"
    assert "behind the handshake" in result.text or "connection lost (tls)" in result.text


def test_a_server_that_turns_us_away_behind_the_handshake_is_named(check: Check, host: str, chain: Chain) -> None:
    with FtpServer(host, {"NOOP": b"421 Service not available\r\n"}, chain.pem) as server:
        result = ask(check, server)
        assert result.state == State.CRITICAL
        told = "TLS: behind the handshake the server turns us away: 421 Service not available"
        assert result.text == f"FTP CRITICAL - {told}"
        assert ask(check, server, jail=True).text == f"FTP CRITICAL - {told[: -len(' Service not available')]}"
    with FtpServer(host, {"NOOP": b"530 log in first\r\n"}, chain.pem) as server:
        assert ask(check, server).ok


@pytest.mark.parametrize("sni", ["good.example", "good.example.", "GOOD.Example", "Good.EXAMPLE."])
def test_a_name_is_verified_without_its_dot_and_in_any_case(
    check: Check, server: FtpServer, chain: Chain, sni: str
) -> None:
    seen: list[str | None] = []
    server.context.sni_callback = lambda _, name, __: seen.append(name)
    result = ask(check, server, verify=True, ca_file=str(chain.root), sni=sni)
    assert result.ok, result.text
    assert seen == ["good.example"]


def test_authorities_are_read_before_the_clock_starts_and_once_for_all_checks(
    check: Check, server: FtpServer, chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def read(path: str) -> str:
        reads.append(path)
        return read_authorities(path)

    monkeypatch.setattr(tls_context, "read_authorities", read)
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes(chain.root.read_bytes())
    settings: dict[str, Any] = {"verify": True, "ca_file": str(authorities), "data": "both", "login": Login()}
    # The conversation has not begun.
    FtpProbe(server.host, tls="implicit" if server.is_implicit else "explicit", **settings).dialogue()
    assert reads == [str(authorities)]
    for _ in range(3):
        result = ask(check, server, **settings)
        assert result.ok, result.text
    assert reads == [str(authorities)]


@pytest.mark.parametrize(
    ("name", "sent"),
    [("a.example.", "a.example"), ("A.Example", "a.example"), ("FE80::1%eth0", "fe80::1"), ("", ""), ("a..", "a.")],
)
def test_what_is_sent_as_name(name: str, sent: str) -> None:
    assert TlsSettings(name).server_name == sent


def test_a_second_greeting_is_no_reply_to_auth(check: Check, host: str, chain: Chain) -> None:
    async def greeted_again(session: FtpSession) -> None:
        await session.send(b"220 behind the proxy\r\n")
        await asyncio.sleep(0.1)
        await session.send(b"234 go\r\n")
        await session.writer.start_tls(session.server.context)

    with FtpServer(host, {"AUTH": greeted_again}, chain.pem) as server:
        assert ask(check, server).ok
        assert ask(check, server, data="passive").ok


def test_auth_ssl_is_for_servers_that_know_nothing_else(check: Check, host: str, chain: Chain) -> None:
    async def old(session: Any) -> None:
        if session.argument == "TLS":
            await session.send(b"504 what\r\n")
        else:
            await session.send(b"334 go\r\n")
            await session.writer.start_tls(session.server.context)

    with FtpServer(host, {"AUTH": old}, chain.pem) as server:
        assert ask(check, server).ok
    with FtpServer(host, {"AUTH": b"534 no\r\n"}, chain.pem) as server:
        result = ask(check, server)
        assert result.text == "FTP CRITICAL - AUTH TLS refused: 534 no"
        assert server.commands[:2] == ["AUTH TLS", "AUTH SSL"]
