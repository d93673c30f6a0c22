"""Prometheus' web configuration: TLS and basic authentication."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from noidchecks.exporter import basic_auth, clients, prober
from noidchecks.exporter.errors import ConfigurationError
from noidchecks.exporter.web_config import WebConfigFile
from tests.exporter.serving import Answer, exporter
from tests.support.certificates import Chain

HASH = bcrypt.hashpw(b"geheim", bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("chain"), 400, 400)


def written(folder: Path, text: str) -> str:
    path = folder / "web.yml"
    path.write_text(text)
    return str(path)


def tls_text(chain: Chain, more: str = "") -> str:
    return f"tls_server_config:\n  cert_file: {chain.pem}\n  key_file: {chain.pem}\n{more}"


def trusting(chain: Chain) -> ssl.SSLContext:
    """Returns what trusts a root that lacks what Python 3.13 demands of the world's authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(chain.root)
    return context


async def ask(port: int, context: ssl.SSLContext, path: str = "/-/healthy") -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return Answer(answer)


async def test_tls(chain: Chain, tmp_path: Path) -> None:
    context = trusting(chain)
    async with exporter(web_config=written(tmp_path, tls_text(chain))) as running:
        assert running.said[0].startswith("listening on https://127.0.0.1:")
        assert (await ask(running.port, context)).status == 200
        # In clear nothing is said.
        assert await running.send(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        assert (await ask(running.port, context, "/probe?module=ftp&target=127.0.0.1:1")).samples["probe_success"] == 0


async def test_a_handshake_that_never_ends_makes_room(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noidchecks.exporter.prober._MOST_CLIENTS", 16)
    monkeypatch.setattr(clients, "FIRST_REQUEST", 600.0)
    context = trusting(chain)
    async with exporter(web_config=written(tmp_path, tls_text(chain))) as running:
        silent = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(60)]
        assert (await ask(running.port, context)).status == 200
        for _, writer in silent:
            writer.close()


async def test_clients_that_only_shake_hands_do_not_push_out_one_that_begins_to(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "_MOST_CLIENTS", 16)
    context = trusting(chain)
    async with exporter(web_config=written(tmp_path, tls_text(chain))) as running:

        async def shake_hands(client: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            async with asyncio.timeout(60):
                return await asyncio.open_connection(sock=client, ssl=context, server_hostname="127.0.0.1")

        def connected() -> socket.socket:
            return socket.create_connection(("127.0.0.1", running.port))

        opened = [await shake_hands(connected()) for _ in range(16)]
        newcomer = connected()
        opened += [await shake_hands(connected()) for _ in range(4)]
        reader, writer = await shake_hands(newcomer)
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _, one in [*opened, (reader, writer)]:
            one.close()


async def test_a_client_certificate(chain: Chain, tmp_path: Path) -> None:
    more = f"  client_ca_file: {chain.root}\n  client_auth_type: RequireAndVerifyClientCert\n"
    async with exporter(web_config=written(tmp_path, tls_text(chain, more))) as running:
        context = trusting(chain)
        # With TLS 1.3 a client learns of the refusal when it reads: as an alert, a reset or the end.
        with pytest.raises((ssl.SSLError, ConnectionError, IndexError)):
            await ask(running.port, context)
        context.load_cert_chain(chain.pem)
        assert (await ask(running.port, context)).status == 200


async def test_another_certificate_holds_from_the_next_connection_on(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    other = Chain(tmp_path / "new", 400, 400)
    served = tmp_path / "served.pem"
    served.write_bytes(chain.pem.read_bytes())
    text = "tls_server_config: {cert_file: served.pem, key_file: served.pem}\n"
    async with exporter(web_config=written(tmp_path, text)) as running:
        assert (await ask(running.port, trusting(chain))).status == 200
        served.write_text("no certificate")
        # A broken one leaves what was there, and is told once.
        for _ in range(2):
            assert (await ask(running.port, trusting(chain))).status == 200
        assert len([line for line in running.said if "what it said before stays" in line]) == 1
        served.write_bytes(other.pem.read_bytes())
        assert (await ask(running.port, trusting(other))).status == 200


def field(words: str) -> str:
    return f"Authorization: Basic {base64.b64encode(words.encode()).decode()}"


async def test_basic_authentication(tmp_path: Path) -> None:
    async with exporter(web_config=written(tmp_path, f"basic_auth_users:\n  monitor: {HASH}\n")) as running:
        for path in ("/", "/metrics", "/probe?module=ftp&target=127.0.0.1:1", "/-/healthy", "/nothing", "/-/reload"):
            answer = await running.get(path)
            assert answer.status == 401, path
            assert answer.fields["www-authenticate"].startswith("Basic")
        for _ in range(2):
            assert (await running.get("/metrics", field("monitor:geheim"))).status == 200
            for words in ("monitor:wrong", "other:geheim", "monitor", ":", "monitor:" + "x" * 900):
                assert (await running.get("/metrics", field(words))).status == 401, words
        for wrong in ("Authorization: Basic !!!", "Authorization: Bearer x", "Authorization: Basic", "Authorization: "):
            assert (await running.get("/metrics", wrong)).status == 401
        users = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
        written(tmp_path, f"basic_auth_users:\n  monitor: {users}\n")
        assert (await running.get("/metrics", field("monitor:geheim"))).status == 401
        assert (await running.get("/metrics", field("monitor:other"))).status == 200


async def test_wrong_passwords_that_wait_leave_places_to_right_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "_MOST_CLIENTS", 16)
    hashing = threading.Event()
    refused = 'noidchecks_exporter_responses_total{code="503"}'
    async with exporter(web_config=written(tmp_path, f"basic_auth_users:\n  monitor: {HASH}\n")) as running:
        assert (await running.get("/metrics", field("monitor:geheim"))).status == 200
        monkeypatch.setattr(basic_auth, "_matches", lambda *_: not hashing.wait(60))
        guesses = [asyncio.create_task(running.get("/", field(f"monitor:{number}"))) for number in range(10)]
        try:
            await running.wait_for(refused, 2, field("monitor:geheim"))
        finally:
            hashing.set()
        assert sorted(answer.status for answer in await asyncio.gather(*guesses)) == [401] * 8 + [503] * 2


async def test_fields_of_every_answer(tmp_path: Path) -> None:
    text = "http_server_config:\n  http2: false\n  headers: {Strict-Transport-Security: max-age=600}\n"
    async with exporter(web_config=written(tmp_path, text)) as running:
        for path in ("/", "/nothing", "/probe?module=ftp&target=127.0.0.1:1"):
            assert (await running.get(path)).fields["strict-transport-security"] == "max-age=600"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http_server_config: {x: 1}", "x is not understood here, only http2, headers"),
        ("http_server_config: {headers: {Server: x}}", "Server is not understood here"),
        ('http_server_config: {headers: {X-Frame-Options: "a\\nb"}}', "X-Frame-Options must be one line"),
        ("[", "is not YAML, line 1"),
        ("- a", "must have tls_server_config or basic_auth_users"),
        ("a: 1", "a is not understood here"),
        ("rate_limit: {burst: 1}", "rate_limit is not understood here"),
        ("tls_server_config: x", "tls_server_config must have keys"),
        ("tls_server_config: {cert: x}", "cert is not understood"),
        ("tls_server_config: {cert_file: x}", "needs cert_file and key_file"),
        ("tls_server_config: {cert_file: 1, key_file: 2}", "cert_file must be text"),
        (
            "tls_server_config: {cert_file: none, key_file: none}",
            "the certificate and key cannot be read: No such file",
        ),
        ("tls_server_config: {cert_file: web.yml, key_file: web.yml}", "the certificate and key cannot be used"),
        ("tls_server_config: {cert_file: x, key_file: x, min_version: TLS10}", "'TLS10' is not understood"),
        ("tls_server_config: {cert_file: x, key_file: x, client_auth_type: Any}", "'Any' is not understood"),
        ("tls_server_config: {cert_file: x, key_file: x, min_version: TLS13, max_version: TLS12}", "is above"),
        ("tls_server_config: {cert_file: x, key_file: x, client_ca_file: x}", "go together"),
        ("basic_auth_users: [a]", "basic_auth_users must have keys"),
        ("basic_auth_users: {monitor: geheim}", "monitor must have the bcrypt hash"),
        ("basic_auth_users: {monitor: 1}", "monitor must have the bcrypt hash"),
        *(
            (f"{section}: {value}", f"{section} must have keys")
            for section in ("basic_auth_users", "tls_server_config", "http_server_config")
            for value in ("[]", "false", '""', "0")
        ),
        ("http_server_config: {headers: []}", "headers must have keys"),
        ("http_server_config: {http2: 'no'}", "http2 must be true or false"),
        (f"basic_auth_users: {{monitor: {HASH}}}\nbasic_auth_users:", "basic_auth_users is there twice, line 2"),
        (f"basic_auth_users:\n  monitor: geheim\n  monitor: {HASH}", "monitor is there twice, line 3"),
        ("http_server_config: {headers: {}, headers: {}}", "headers is there twice, line 1"),
        ('tls_server_config: {cert_file: "a\\0b", key_file: x}', "cert_file must be text"),
        ("[a, b]: 1", "is not YAML, line 1"),
        ("{[a]: 1, [a]: 2}", "is not YAML, line 1"),
    ],
)
def test_a_wrong_file_gets_one_sentence_without_secrets(text: str, words: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        WebConfigFile(path, print)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
    assert "geheim" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        WebConfigFile(str(tmp_path / "none"), print)


def test_an_empty_file_secures_nothing(tmp_path: Path) -> None:
    found: Any = WebConfigFile(written(tmp_path, ""), print).current()
    assert found.tls is None
    assert found.users == {}


@pytest.mark.parametrize("text", ["", "# written in a moment\n"])
async def test_a_file_that_is_empty_for_a_moment_switches_nothing_off(text: str, tmp_path: Path) -> None:
    full = f"basic_auth_users:\n  monitor: {HASH}\n"
    path = written(tmp_path, full)
    async with exporter(web_config=path) as running:
        assert (await running.get("/-/healthy")).status == 401
        written(tmp_path, text)
        assert (await running.get("/-/healthy")).status == 401
        os.unlink(path)
        assert (await running.get("/-/healthy")).status == 401
        said = [line for line in running.said if path in line]
        assert said == [
            f"{path}: is empty; what it said before stays",
            f"{path}: cannot be read: No such file or directory; what it said before stays",
        ]
        written(tmp_path, "{}")
        assert (await running.get("/-/healthy")).status == 200
        assert running.said[-1] == f"read {path} again"


async def test_a_second_table_of_users_switches_nothing_off(tmp_path: Path) -> None:
    full = f"basic_auth_users:\n  monitor: {HASH}\n"
    path = written(tmp_path, full)
    async with exporter(web_config=path) as running:
        written(tmp_path, f"{full}basic_auth_users:\n")
        assert (await running.get("/-/healthy")).status == 401
        assert running.said[-1] == f"{path}: basic_auth_users is there twice, line 3; what it said before stays"


@pytest.mark.parametrize("text", ["basic_auth_users:", "basic_auth_users: {}", "tls_server_config: {}", "{}"])
def test_a_table_without_keys_is_none(text: str, tmp_path: Path) -> None:
    """As promtool and all exporters have it."""
    found = WebConfigFile(written(tmp_path, text), print).current()
    assert (found.tls, found.users) == (None, {})


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "{}")
    said: list[str] = []
    found = WebConfigFile(path, said.append)

    def too_late(path: str, limit: int) -> bytes:
        monkeypatch.undo()
        written(tmp_path, f"basic_auth_users:\n  monitor: {HASH}\n")
        return b""

    monkeypatch.setattr("noidchecks.exporter.web_config.read_regular", too_late)
    written(tmp_path, "")
    assert found.current().users == {}
    assert found.current().users == {"monitor": HASH.encode()}
    assert said == [f"{path}: is empty; what it said before stays", f"read {path} again"]
