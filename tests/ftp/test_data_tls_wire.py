"""Data connections behind TLS: both drivers, both families."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct

import pytest

from noidchecks import File, Listing, State
from tests.support.certificates import Chain
from tests.support.ftp import FtpSession
from tests.support.ftp_servers import DIGEST, Ask, NewServer, canaries
from tests.support.waiting import LONG

pytestmark = pytest.mark.usefixtures("nothing_left", "short_patience")


@pytest.fixture(scope="module")
def other_chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("other"), 400, 400)


def test_data_connections_resume_the_session(ask: Ask, new_server: NewServer, chain: Chain) -> None:
    server = new_server(chain.pem)
    result = ask(server, tls="explicit", data="both", get=File("hello.txt", sha256=DIGEST), put="")
    assert result.ok, result.text
    assert "PBSZ 0" in server.commands
    assert "PROT P" in server.commands
    assert server.resumed
    assert all(server.resumed)
    assert canaries(server) == []


def test_data_in_clear_behind_tls(ask: Ask, new_server: NewServer, chain: Chain) -> None:
    server = new_server(chain.pem)
    server.protects = False
    result = ask(server, tls="explicit", get=File("hello.txt", sha256=DIGEST), data_protection="C")
    assert result.ok, result.text
    assert "PROT C" in server.commands


@pytest.mark.parametrize("reply", ["500 PROT not understood", "503 PBSZ first", "550 Permission denied."])
def test_a_server_without_protection_sends_data_in_clear(
    ask: Ask, new_server: NewServer, chain: Chain, reply: str
) -> None:
    """What ProFTPD, Pure-FTPd and vsftpd say when a proxy in front of them does TLS for the control connection."""
    server = new_server(chain.pem, PBSZ=f"{reply}\r\n".encode(), PROT=f"{reply}\r\n".encode())
    server.protects = False
    result = ask(server, tls="explicit", get=File("hello.txt", sha256=DIGEST), data_protection="C")
    assert result.ok, result.text
    protected = ask(server, tls="explicit", data="passive")
    assert protected.text == f"FTP CRITICAL - data protection: PROT P refused: {reply}"


@pytest.mark.parametrize("reply", ["504 no such level", "534 policy", "536 not this level", "421 enough", "431 later"])
def test_a_server_that_does_not_allow_clear_data_is_named(
    ask: Ask, new_server: NewServer, chain: Chain, reply: str
) -> None:
    server = new_server(chain.pem, PROT=f"{reply}\r\n".encode())
    result = ask(server, tls="explicit", data="passive", data_protection="C")
    assert result.text == f"FTP CRITICAL - data protection: PROT C refused: {reply}"


def test_refused_protection_is_named(ask: Ask, new_server: NewServer, chain: Chain) -> None:
    result = ask(new_server(chain.pem, PBSZ=b"502 no\r\n", PROT=b"534 no\r\n"), tls="explicit", data="passive")
    assert result.text == "FTP CRITICAL - data protection: PROT P refused: 534 no"


def test_a_refused_buffer_size_is_no_refused_protection(ask: Ask, new_server: NewServer, chain: Chain) -> None:
    server = new_server(chain.pem, PBSZ=b"503 what for\r\n")
    assert ask(server, tls="explicit", get=File("hello.txt", sha256=DIGEST)).ok
    turned_away = ask(new_server(chain.pem, PBSZ=b"421 enough\r\n"), tls="explicit", data="passive")
    assert turned_away.text == "FTP CRITICAL - data protection: PBSZ refused: 421 enough"


def test_a_data_connection_that_speaks_no_tls_is_named(ask: Ask, new_server: NewServer, chain: Chain) -> None:
    server = new_server(chain.pem)
    server.protects = False
    result = ask(server, tls="explicit", get=File("hello.txt"))
    assert result.state == State.CRITICAL
    assert "get hello.txt: data channel: EPSV " in result.text
    assert "Cannot make SSL connection. (" in result.text


def test_a_data_connection_that_is_refused_is_named_where_the_server_leaves(
    ask: Ask, new_server: NewServer, chain: Chain, other_chain: Chain
) -> None:
    """The data connection leads to a machine with another certificate; the server takes its refusal for the end."""

    async def elsewhere(session: FtpSession) -> None:
        session.server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        session.server.context.load_cert_chain(other_chain.pem)
        session.is_over = True
        with contextlib.suppress(OSError):
            await session.give(b"Hello, world.\n")

    server = new_server(chain.pem, RETR=elsewhere)
    result = ask(server, tls="explicit", verify=True, ca_file=str(chain.root), get=File("hello.txt"))
    assert result.state == State.CRITICAL
    assert "get hello.txt: data channel: EPSV " in result.text
    assert ": Cannot verify certificate: " in result.text


@pytest.mark.parametrize("data", ["", "passive", "active"])
def test_a_transfer_that_ends_while_hands_are_shaken_is_named(
    ask: Ask, new_server: NewServer, chain: Chain, data: str
) -> None:
    """The server demands that the session be resumed, and leaves the data connection open."""

    async def refuse(session: FtpSession) -> None:
        session.server.protects = False
        await session.send(b"150 here it comes\r\n")
        _, writer = await session.connect()
        await session.send(b"522 session reuse required\r\n")
        try:
            await session.reader.read()
        finally:
            writer.close()

    result = ask(new_server(chain.pem, RETR=refuse), tls="explicit", data=data, get=File("hello.txt"))
    assert result.state == State.CRITICAL
    assert "get hello.txt: data channel: " in result.text
    assert result.text.endswith("transfer failed: 522 session reuse required")


def test_a_transfer_may_end_before_hands_are_shaken(ask: Ask, new_server: NewServer, chain: Chain) -> None:
    """The reply behind the data may overtake the handshake."""

    async def hasty(session: FtpSession) -> None:
        await session.send(b"150 here it comes\r\n226 done\r\n")
        await asyncio.sleep(0.2)
        _, writer = await session.connect()
        writer.write(b"Hello, world.\n")
        await writer.drain()
        writer.close()

    assert ask(new_server(chain.pem, RETR=hasty), tls="explicit", get=File("hello.txt", sha256=DIGEST)).ok


def test_the_end_of_a_download_is_said_through_tls(ask: Ask, new_server: NewServer, chain: Chain) -> None:
    """As vsftpd with strict_ssl_write_shutdown, the server takes any other end for a transfer that was cut off."""

    async def strict(session: FtpSession) -> None:
        await session.send(b"150 here it comes\r\n")
        assert session.listener is not None
        loop = asyncio.get_running_loop()
        sock, _ = await loop.sock_accept(session.listener)
        sock.settimeout(LONG)

        def serve() -> bytes:
            secured = session.server.context.wrap_socket(sock, server_side=True)
            try:
                secured.sendall(b"Hello, world.\n")
                secured.unwrap()
            except OSError:
                return b"426 Failure writing network stream.\r\n"
            finally:
                secured.close()
            return b"226 done\r\n"

        await session.send(await loop.run_in_executor(None, serve))

    server = new_server(chain.pem, RETR=strict, NLST=strict)
    result = ask(server, tls="explicit", get=File("hello.txt", sha256=DIGEST), listing=Listing(min_files=1))
    assert result.ok, result.text


@pytest.mark.parametrize(("reply", "text"), [(b"226 stored\r\n", ""), (b"426 broken off\r\n", "426 broken off")])
def test_the_reply_tells_what_became_of_an_upload_that_was_reset(
    ask: Ask, new_server: NewServer, chain: Chain, reply: bytes, text: str
) -> None:
    """Servers and balancers may reset a connection when they have read all that came over it."""

    async def store(session: FtpSession) -> None:
        await session.send(b"150 go\r\n")
        reader, writer = await session.connect()
        session.server.files[session.argument] = await reader.readexactly(352)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await session.send(reply)

    server = new_server(chain.pem, STOR=store)
    result = ask(server, tls="explicit", put="")
    if text:
        assert result.state == State.CRITICAL
        assert result.text.endswith(f"transfer failed: {text}"), result.text
    else:
        assert result.ok, result.text
    assert canaries(server) == []
