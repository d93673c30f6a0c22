"""Replies to a transfer that come late, early or not at all: both drivers, both families."""

from __future__ import annotations

import pytest

from noidchecks import File, Listing, State
from tests.support.certificates import Chain
from tests.support.ftp import Answer, FtpSession, drop, give, reset_data
from tests.support.ftp_servers import DIGEST, Ask, NewServer, active, passive, wait_for_reasons

pytestmark = pytest.mark.usefixtures("nothing_left")

HELLO = File("hello.txt", sha256=DIGEST)


def test_the_belated_end_of_a_transfer_is_not_about_the_next_way(
    ask: Ask, new_server: NewServer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_reasons(monkeypatch, 0.1)

    async def broken_once(session: FtpSession) -> None:
        if session.server.commands.count("LIST") > 1:
            await session.give(b"-rw-r--r-- 1 ftp ftp 14 Jan  1 00:00 hello.txt\r\n")
        else:
            await reset_data(session, 0.5)

    result = ask(new_server(LIST=broken_once), data="both", get=HELLO)
    assert result.state == State.CRITICAL
    data = result.facts["data"]
    assert isinstance(data, dict)
    assert data.pop("EPSV").endswith("Connection reset by peer")
    assert data == dict.fromkeys([*passive(host)[1:], *active(host)], "ok")
    assert "get hello.txt: 14 bytes received" in [part.text for part in result.parts]


NAMES = b"hello.txt\r\nother.txt\r\n"
FILE = b"Hello, world.\n"


def gives(content: bytes, *, announced: bytes = b"", final: bytes = b"226 done\r\n") -> Answer:
    """Sends the content over a data connection, and no reply before it but what is announced."""

    async def answer(session: FtpSession) -> None:
        await session.send(announced)
        _, writer = await session.connect()
        writer.write(content)
        await writer.drain()
        writer.close()
        await session.send(final)

    return answer


async def never_connects(session: FtpSession) -> None:
    """Announces a transfer, and ends it without a data connection."""
    await session.send(b"150 here it comes\r\n226 done\r\n")
    if session.listener is not None:
        session.listener.close()


@pytest.fixture(params=["passive", "active"])
def data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ways to try, with a short wait for what comes behind a reply."""
    wait_for_reasons(monkeypatch, 0.3)
    found: str = request.param
    return found


@pytest.mark.parametrize(
    "answer", [gives(FILE), gives(b""), b"226 done\r\n", b"250 done\r\n", b"200 ok\r\n226 done\r\n"]
)
def test_a_file_that_was_not_announced_is_not_received(
    ask: Ask, new_server: NewServer, data: str, answer: Answer
) -> None:
    """No client takes it either: curl ends with 19."""
    result = ask(new_server(RETR=answer), data=data, get=File("hello.txt"))
    assert result.state == State.CRITICAL
    assert "get hello.txt: data channel: " in result.text
    assert "the server ended the transfer before it began: 2" in result.text
    assert "0 bytes received" not in str([part.text for part in result.parts])


def test_a_file_without_a_data_connection_is_not_received(
    ask: Ask, new_server: NewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_reasons(monkeypatch, 0.2)
    result = ask(new_server(RETR=never_connects), data="active", get=File("hello.txt"))
    assert result.state == State.CRITICAL
    assert "the server ended the transfer before it began: 226 done" in result.text


@pytest.mark.parametrize("secured", [False, True])
def test_a_200_before_the_beginning_is_read_over(
    ask: Ask, new_server: NewServer, chain: Chain, data: str, secured: bool
) -> None:
    """Some servers say 200 to a transfer as to any other command, and then 150."""
    first = b"200 ok\r\n"
    answers = {verb: gives(NAMES, announced=first + b"150 here\r\n") for verb in ("LIST", "NLST")}
    answers["RETR"] = gives(FILE, announced=first + b"150 here\r\n")
    server = new_server(chain.pem if secured else None, **answers)
    tls = "explicit" if secured else ""
    result = ask(server, tls=tls, data=data, listing=Listing(min_files=2), get=HELLO)
    assert result.ok, result.text


def test_a_refusal_behind_a_200_is_named(ask: Ask, new_server: NewServer, data: str) -> None:
    result = ask(new_server(RETR=b"200 ok\r\n550 no such file\r\n"), data=data, get=File("nosuch"))
    assert result.text == "FTP CRITICAL - get nosuch: RETR refused: 550 no such file"


@pytest.mark.parametrize("names", [NAMES, b""])
@pytest.mark.parametrize("secured", [False, True])
def test_a_listing_that_was_not_announced_is_counted(
    ask: Ask, new_server: NewServer, chain: Chain, data: str, names: bytes, secured: bool
) -> None:
    server = new_server(chain.pem if secured else None, NLST=gives(names), LIST=give(NAMES))
    result = ask(server, tls="explicit" if secured else "", data=data, listing=Listing(max_files=9))
    assert result.ok, result.text
    assert result.facts["entries"] == (2 if names else 0)


def test_a_server_that_leaves_behind_a_200_is_named(ask: Ask, new_server: NewServer, data: str) -> None:
    async def leave(session: FtpSession) -> None:
        await session.send(b"200 ok\r\n")
        await drop(session)

    result = ask(new_server(RETR=leave), data=data, get=File("hello.txt"))
    assert result.state == State.CRITICAL
    assert "get hello.txt: data channel: " in result.text
    assert "the server closed the connection" in result.text
