"""A way to a data connection that leads to none, and the next one: both drivers, both families."""

from __future__ import annotations

import asyncio

import pytest

from noidchecks import File, FtpProbe, Listing, State
from tests.conftest import Check
from tests.support.certificates import Chain
from tests.support.ftp import Answer, FtpServer, FtpSession, drop, give, silence
from tests.support.ftp_servers import DIGEST, Ask, NewServer, active, canaries, passive, wait_for_reasons
from tests.support.peers import unused_port
from tests.support.waiting import LONG, with_time_enough

pytestmark = pytest.mark.usefixtures("nothing_left", "short_patience")

REFUSALS = [425, 451, 500, 502, 504, 522, 530, 550, 552, 202, 227]
HELLO = File("hello.txt", sha256=DIGEST)
ALONE = "over IPv6 there is no PASV to try instead"


def dead(host: str) -> bytes:
    return f"229 ok (|||{unused_port(host)}|)\r\n".encode()


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refused_epsv_is_followed_by_pasv(ask: Ask, new_server: NewServer, host: str, code: int) -> None:
    server = new_server(EPSV=b"%d no\r\n" % code)
    for settings in ({"listing": Listing()}, {"listing": Listing(min_files=1)}, {"get": HELLO}, {"put": ""}):
        result = ask(server, **settings)
        if ":" in host:
            assert f"EPSV: refused: {code} no; {ALONE}" in result.text
            assert result.state == State.CRITICAL
            assert result.text.count("refused") == 1
        else:
            assert result.ok, result.text
            assert "data PASV" in result.text
            data = result.facts["data"]
            assert isinstance(data, dict)
            assert data["PASV"] == "ok"
            assert data["EPSV"].endswith(f"EPSV: refused: {code} no")
            metrics = {metric.label: metric.value for metric in result.metrics}
            assert metrics["epsv"] == 0
            assert metrics["pasv"] == (2 if "put" in settings else 1)
    assert canaries(server) == []
    both = ask(server, data="passive")
    assert both.ok is (":" not in host), both.text


@pytest.mark.parametrize("reply", [b"229 ok\r\n", b"229 ok (|||0|)\r\n", b"229 (|2|::1|99999|)\r\n", None])
def test_an_epsv_port_that_is_none_is_followed_by_pasv(
    ask: Ask, new_server: NewServer, host: str, reply: bytes | None
) -> None:
    server = new_server(EPSV=reply or dead(host))
    result = ask(server, listing=Listing(), get=HELLO, put="")
    assert result.ok is (":" not in host), result.text
    assert (ALONE in result.text) is (":" in host)
    if result.ok:
        assert [command.split()[0] for command in server.commands].count("EPSV") == 1
    # Who asks for every way wants to know of this one.
    assert ask(server, data="passive").state == State.CRITICAL


def test_a_port_that_does_not_answer_leaves_time_for_pasv(
    ask: Ask, new_server: NewServer, host: str, full_queue: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noidchecks.ftp.opening._SHARE", 0.3 / LONG)
    server = new_server(EPSV=f"229 ok (|||{full_queue}|)\r\n".encode())
    if ":" in host:
        result = with_time_enough(
            lambda timeout: ask(server, get=HELLO, timeout=timeout), lambda result: "EPSV" in result.text
        )
        assert "Socket timeout after " in result.text
        assert f"EPSV {host} port {full_queue}" in result.text
        return
    result = ask(server, get=HELLO)
    assert result.ok, result.text
    assert "data PASV" in result.text
    data = result.facts["data"]
    assert isinstance(data, dict)
    assert data["EPSV"].endswith(f"port {full_queue}: no answer within 0.3 seconds")


def open_once() -> Answer:
    """Announces a port that is open the first time, and ports that are closed from then on."""
    announced: list[FtpSession] = []

    async def answer(session: FtpSession) -> None:
        if session in announced:
            await session.send(dead(session.server.host))
        else:
            announced.append(session)
            await session.send(f"229 ok (|||{session.open_port()}|)\r\n".encode())

    return answer


def test_a_way_that_worked_at_first_and_not_later_does_not_work(ask: Ask, new_server: NewServer, host: str) -> None:
    server = new_server(EPSV=open_once())
    for settings in ({"listing": Listing(), "get": HELLO}, {"put": ""}):
        result = ask(server, **settings)
        assert result.ok is (":" not in host), result.text
        if result.ok:
            assert "[login anonymous, data PASV, " in result.text
    result = ask(server, data="passive", get=HELLO)
    assert result.state == State.CRITICAL
    assert f"get hello.txt: data channel: EPSV {host} port " in result.text
    assert result.text.count("Connection refused") == 1
    assert not any("EPSV works" in part.text for part in result.parts)


def test_all_ways_that_fail_are_named(ask: Ask, new_server: NewServer, host: str) -> None:
    server = new_server(EPSV=b"550 not that\r\n", PASV=b"451 nor that\r\n")
    for settings, task in (({"listing": Listing()}, "list"), ({"get": HELLO}, "get hello.txt")):
        result = ask(server, **settings)
        assert result.state == State.CRITICAL
        for method, words in zip(passive(host), ("550 not that", "451 nor that"), strict=False):
            assert f"{task}: data channel: {method}: refused: {words}" in result.text
            assert result.text.count(words) == 1


@pytest.mark.parametrize("answer", [b"421 closing\r\n", drop])
def test_an_end_of_the_session_is_no_refusal(ask: Ask, new_server: NewServer, answer: Answer) -> None:
    server = new_server(EPSV=answer)
    for settings in ({"data": "passive"}, {"listing": Listing()}, {"get": HELLO}, {"put": ""}):
        result = ask(server, **settings)
        assert result.state == State.CRITICAL
        assert "EPSV: refused: 421 closing" in result.text or "the server closed the connection" in result.text
    assert "PASV" not in server.commands


@pytest.mark.parametrize("code", [500, 501, 522, 550, 425])
def test_a_refused_port_is_followed_by_eprt(ask: Ask, new_server: NewServer, host: str, code: int) -> None:
    verb = "EPRT" if ":" in host else "PORT"
    server = new_server(**{verb: b"%d no\r\n" % code})
    result = ask(server, data="active", get=HELLO)
    assert result.ok is (":" not in host), result.text
    if result.ok:
        assert "data EPRT, get hello.txt 14 bytes" in result.text


def test_a_server_that_cannot_open_the_connection_is_asked_for_another(ask: Ask, new_server: NewServer) -> None:
    async def over_pasv(session: FtpSession) -> None:
        if session.server.commands[-2].startswith("EPSV"):
            await session.send(b"425 cannot\r\n")
        else:
            await session.give(b"Hello, world.\n")

    server = new_server(RETR=over_pasv)
    result = ask(server, get=HELLO)
    assert result.ok is (":" not in server.host), result.text


async def ended_without_data(session: FtpSession) -> None:
    """Never takes the data connection, which ends with the port, and says that the transfer is complete."""
    await session.send(b"150 here it comes\r\n226 done\r\n")
    if session.listener is not None:
        session.listener.close()


@pytest.mark.parametrize("data", ["passive", "active"])
@pytest.mark.parametrize("answer", [b"226 nothing to send\r\n", b"250 nothing\r\n", ended_without_data])
def test_a_listing_without_a_data_connection_is_empty(
    ask: Ask, new_server: NewServer, data: str, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_reasons(monkeypatch, 0.2)
    result = ask(new_server(NLST=answer), data=data, listing=Listing(max_files=0))
    assert result.ok, result.text
    assert "list 0 files" in result.text


@pytest.mark.parametrize("none", [b"550 No files found.\r\n", b"226 nothing to send\r\n"])
def test_an_active_way_is_seen_where_nlst_needs_no_connection(ask: Ask, new_server: NewServer, none: bytes) -> None:
    """BSD's servers connect for the NLST of an empty folder not at all, and for its LIST."""
    server = new_server(NLST=none)
    result = ask(server, data="active", listing=Listing(max_files=0))
    assert result.ok, result.text
    assert {metric.label: metric.value for metric in result.metrics}[active(server.host)[0].lower()] == 1
    server = new_server(NLST=none, LIST=b"150 here it comes\r\n425 cannot connect\r\n")
    result = ask(server, data="active", listing=Listing(max_files=0))
    assert result.state == State.CRITICAL
    assert "425 cannot connect" in result.text


@pytest.mark.parametrize("refusal", [b"550 No files found.\r\n", b"502 no LIST here\r\n"])
def test_an_active_way_of_which_nothing_is_seen_is_unknown(ask: Ask, new_server: NewServer, refusal: bytes) -> None:
    server = new_server(NLST=b"550 No files found.\r\n", LIST=refusal)
    result = ask(server, data="active", listing=Listing(max_files=0))
    assert result.state == State.UNKNOWN
    assert "the server has nothing to send, and does not connect: list another folder" in result.text
    # Where no way was asked for, the listing is what counts.
    assert ask(server, listing=Listing(max_files=0)).ok


def said_while_nothing_comes(reply: bytes) -> Answer:
    """Ends a transfer with the reply, while nothing comes over the data connection, not even its end."""

    async def answer(session: FtpSession) -> None:
        await session.send(b"150 here it comes\r\n")
        _, writer = await session.connect()
        await session.send(reply)
        # The data connection stays as long as the client does.
        try:
            await session.reader.read()
        finally:
            writer.close()

    return answer


@pytest.mark.parametrize("data", ["", "passive", "active"])
@pytest.mark.parametrize("asked", [{"listing": Listing(max_files=9)}, {"get": HELLO}], ids=["list", "get"])
def test_a_transfer_ends_with_its_data_connection(
    ask: Ask, new_server: NewServer, data: str, asked: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that loses all data behind the handshake leaves nothing but the reply 226."""
    monkeypatch.setattr("noidchecks.ftp.data._SILENCE", 0.05)
    answer = said_while_nothing_comes(b"226 done\r\n")
    server = new_server(NLST=answer, RETR=answer)
    result = with_time_enough(
        lambda timeout: ask(server, data=data, timeout=timeout, **asked), lambda result: "data channel" in result.text
    )
    assert result.state == State.CRITICAL
    assert "Socket timeout after " in result.text
    assert f"data channel: {(active if data == 'active' else passive)(server.host)[0]} " in result.text


def test_a_transfer_that_the_server_ends_is_not_waited_for(
    ask: Ask, new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noidchecks.ftp.data._SILENCE", 0.1)
    result = ask(new_server(RETR=said_while_nothing_comes(b"451 disk\r\n")), get=HELLO)
    assert result.text.endswith("transfer failed: 451 disk")


@pytest.mark.parametrize("data", ["passive", "active"])
def test_data_that_is_slow_is_waited_for(
    ask: Ask, new_server: NewServer, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is no end, neither before the final reply nor behind it."""
    monkeypatch.setattr("noidchecks.ftp.data._SILENCE", 0.05)

    async def slow(session: FtpSession) -> None:
        await session.send(b"150 here it comes\r\n")
        _, writer = await session.connect()
        await asyncio.sleep(0.2)
        writer.write(b"Hello, ")
        await writer.drain()
        await asyncio.sleep(0.2)
        await session.send(b"226 done\r\n")
        await asyncio.sleep(0.2)
        writer.write(b"world.\n")
        writer.close()

    assert ask(new_server(RETR=slow), data=data, get=HELLO).ok


def secured_first(verb: str) -> Answer:
    """Shakes hands on the data connection before it replies, as ftp-srv does."""

    async def act(session: FtpSession) -> None:
        reader, writer = await session.connect()
        await session.send(b"150 secured\r\n")
        if verb == "STOR":
            session.server.files[session.argument] = await reader.read()
        else:
            writer.write(session.server.files.get(session.argument, b"hello.txt\r\n"))
            await writer.drain()
        writer.close()
        await session.send(b"226 done\r\n")

    return act


@pytest.mark.parametrize("data", ["passive", "active", "both"])
def test_a_server_that_shakes_hands_before_it_replies(ask: Ask, new_server: NewServer, chain: Chain, data: str) -> None:
    server = new_server(chain.pem, **{verb: secured_first(verb) for verb in ("LIST", "NLST", "RETR", "STOR")})
    result = ask(server, tls="explicit", data=data, listing=Listing(min_files=1), get=HELLO, put="")
    assert result.ok, result.text
    assert canaries(server) == []


@pytest.mark.parametrize("data", ["passive", "active"])
def test_a_refusal_is_heard_while_hands_are_shaken(ask: Ask, new_server: NewServer, chain: Chain, data: str) -> None:
    async def refused(session: FtpSession) -> None:
        await session.send(b"550 no such file\r\n")

    server = new_server(chain.pem, RETR=refused)
    result = ask(server, tls="explicit", data=data, get=File("nosuch"))
    assert result.text == "FTP CRITICAL - get nosuch: RETR refused: 550 no such file"


def test_data_that_is_not_secured_is_no_empty_listing(check: Check, chain: Chain) -> None:
    with FtpServer("127.0.0.1", {"NLST": give(b"")}, chain.pem) as server:
        server.protects = False
        probe = FtpProbe(server.host, port=server.port, timeout=LONG, tls="explicit", listing=Listing(max_files=9))
        assert check(probe).state == State.CRITICAL


def test_silence_after_the_handshake_ends_at_the_deadline(ask: Ask, new_server: NewServer, chain: Chain) -> None:
    server = new_server(chain.pem, NOOP=silence)
    result = with_time_enough(
        lambda timeout: ask(server, tls="explicit", timeout=timeout), lambda _: "NOOP" in server.commands
    )
    assert "CRITICAL - Socket timeout after " in result.text
    assert " seconds (tls)" in result.text
