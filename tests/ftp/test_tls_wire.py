"""What is demanded of TLS: its version, the chain, the name, the pin; implicit and explicit, under both drivers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from noidchecks import FtpProbe, Login, Result, State
from tests.conftest import Check, NewPeer
from tests.support.certificates import Chain
from tests.support.ftp import FtpServer
from tests.support.peers import await_text
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left")

OTHER = "ab" * 32


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The intermediate certificate ends before the server's own."""
    return Chain(tmp_path_factory.mktemp("chain"), 400, 20)


@pytest.fixture(params=["implicit", "explicit"])
def server(request: pytest.FixtureRequest, host: str, chain: Chain) -> Iterator[FtpServer]:
    with FtpServer(host, {}, chain.pem, implicit=request.param == "implicit") as running:
        yield running


def ask(check: Check, server: FtpServer, **settings: Any) -> Result:
    tls = "implicit" if server.is_implicit else "explicit"
    return check(
        FtpProbe(server.host, port=server.port, timeout=LONG, tls=tls, login=Login("bob", "sesame"), **settings)
    )


def refused(result: Result, server: FtpServer, text: str) -> None:
    """The sentence, and nothing was said over a connection that is not as demanded."""
    assert result.text == f"FTP CRITICAL - {text}"
    assert result.failure is not None
    assert result.failure.phase == "tls"
    assert [command for command in server.commands if command != "AUTH TLS"] == []


def test_a_certificate_or_its_key_is_known_by_its_pin(check: Check, server: FtpServer, chain: Chain) -> None:
    colons = ":".join(chain.certificate[at : at + 2] for at in range(0, 64, 2)).upper()
    for pins in ((chain.certificate,), (OTHER, chain.key), (colons, OTHER)):
        result = ask(check, server, tls_pins=pins, data="both")
        assert result.ok, result.text


def test_another_certificate_is_refused_before_the_login(check: Check, server: FtpServer, chain: Chain) -> None:
    # The pin of an authority is not that of the server.
    result = ask(check, server, tls_pins=(OTHER, chain.issuer))
    words = f"its SHA-256 is {chain.certificate}, that of its key {chain.key}"
    refused(result, server, f"Certificate has none of the pins: {words}")


def test_an_old_version_is_refused_before_the_login(check: Check, server: FtpServer) -> None:
    assert ask(check, server, tls_min="1.3", data="passive").ok
    assert server.await_command("QUIT")
    server.commands.clear()
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask(check, server, tls_min="1.2", data="passive").ok
    assert server.await_command("QUIT")
    server.commands.clear()
    refused(ask(check, server, tls_min="1.3"), server, "TLS version: expected at least TLS 1.3, received TLS 1.2")


def test_a_version_that_nobody_speaks_any_more(check: Check, new_peer: NewPeer) -> None:
    # What a server says that knows TLS 1.1 at most: alert 70, protocol_version.
    peer = new_peer(await_text(b"\x16"), b"\x15\x03\x02\x00\x02\x02\x46")
    probe = FtpProbe(peer.host, port=peer.port, tls="implicit")
    reason = "tlsv1 alert protocol version"
    assert check(probe).text == f"CRITICAL - Cannot make SSL connection. ({reason})"
    older = check(probe.replace(tls_min="1.2"))
    assert older.text == f"FTP CRITICAL - TLS version: expected at least TLS 1.2, {reason}"


@pytest.mark.parametrize(
    ("sni", "trusted", "text"),
    [
        ("good.example", True, ""),
        ("", True, ""),
        ("bad.example", True, "Hostname mismatch, certificate is not valid for 'bad.example'."),
        ("good.example", False, "unable to get local issuer certificate"),
    ],
)
def test_chain_and_name(check: Check, server: FtpServer, chain: Chain, sni: str, trusted: bool, text: str) -> None:
    result = ask(check, server, verify=True, sni=sni, ca_file=str(chain.root) if trusted else "")
    if text:
        refused(result, server, f"Cannot verify certificate: {text}")
    else:
        assert result.ok, result.text


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA"])
def test_a_server_with_older_suites_alone_is_spoken_to(check: Check, server: FtpServer, suite: str) -> None:
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    server.context.set_ciphers(suite)
    result = ask(check, server, data="passive", certificate_facts=True)
    assert result.ok, result.text
    assert result.facts["tls_cipher"] == suite


def test_an_authority_need_not_be_a_root(check: Check, server: FtpServer, chain: Chain) -> None:
    result = ask(check, server, verify=True, ca_file=str(chain.between), data="passive")
    assert result.ok, result.text
    assert server.await_command("QUIT")
    server.commands.clear()
    other = ask(check, server, verify=True, ca_file=str(chain.between), sni="bad.example")
    refused(other, server, "Cannot verify certificate: Hostname mismatch, certificate is not valid for 'bad.example'.")


@pytest.mark.parametrize(
    ("days", "state", "text"),
    [
        ((30, 14), State.WARNING, "WARNING - Certificate 'between' in the chain of 'good.example' expires in 20 day"),
        ((30, 25), State.CRITICAL, "CRITICAL - Certificate 'between' in the chain of 'good.example' expires in 20 day"),
        ((10, 5), State.OK, "OK - Certificate 'between' in the chain of 'good.example' will expire on "),
    ],
)
def test_the_whole_chain_has_its_days(
    check: Check, server: FtpServer, days: tuple[int, int], state: State, text: str
) -> None:
    result = ask(check, server, certificate_days=days)
    assert result.state == state
    assert result.text.startswith(text), result.text
    assert result.facts["certificate_subject"] == "good.example"
    assert str(result.facts["chain_expires"]) < str(result.facts["certificate_expires"])


def test_without_the_chain_the_servers_own_certificate_counts(
    check: Check, server: FtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noidchecks.dialogue.tls.TlsLayer._chain", lambda layer: [layer._object.getpeercert(True)])
    result = ask(check, server, certificate_days=(30, 14))
    assert result.text.startswith("OK - Certificate 'good.example' will expire on "), result.text
