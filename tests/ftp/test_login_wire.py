"""Logins, at servers that misbehave: both drivers, both families."""

from __future__ import annotations

import re

import pytest

from noidchecks import File, FtpProbe, Listing, Login, State
from tests.conftest import Check
from tests.support.certificates import Chain
from tests.support.ftp import Answer, FtpServer, drop, reset, silence
from tests.support.ftp_servers import Ask, NewServer
from tests.support.waiting import DEADLINES, LONG

pytestmark = pytest.mark.usefixtures("nothing_left", "short_patience")


def test_a_login_is_tried_and_its_password_never_shown(ask: Ask, new_server: NewServer) -> None:
    server = new_server()
    result = ask(server, login=Login("bob", "open sesame"), transcript=True, show_phases=True)
    assert result.ok, result.text
    assert result.text.endswith("[login bob]")
    assert server.await_command("QUIT")
    assert server.commands == ["USER bob", "PASS open sesame", "QUIT"]
    assert "sesame" not in str(result) + repr(result) + repr(result.facts)
    assert any("PASS ****" in line for line in result.transcript)
    assert [metric.label for metric in result.metrics] == ["time", "dns", "connect", "greeting", "login"]


def test_a_password_that_the_server_repeats_is_masked(ask: Ask, new_server: NewServer) -> None:
    server = new_server(USER=b"331 bob, say open sesame\r\n", PASS=b"530-open sesame?\r\n530 open sesame is wrong\r\n")
    result = ask(server, login=Login("bob", "open sesame"), transcript=True)
    assert result.text == "FTP CRITICAL - login: refused: 530"
    assert "sesame" not in str(result) + repr(result.failure and result.failure.__dict__)
    lines = [line.partition(" ")[2] for line in result.transcript]
    assert "<: 20 bytes '331 bob, say ****\\r\\n'".replace("20", "19") in lines
    assert "<: 19 bytes '530 **** is wrong\\r\\n'" in lines


def test_a_password_in_the_greeting_is_not_shown(ask: Ask, new_server: NewServer) -> None:
    """As of a server that has seen it in an earlier check."""
    for greeting in (b"220 open sesame\r\n", b"421 open sesame is not wanted\r\n"):
        server = new_server(greeting=greeting)
        result = ask(server, login=Login("bob", "open sesame"), transcript=True)
        assert "sesame" not in str(result) + repr(result.facts) + repr(result.failure and result.failure.__dict__)


def test_a_password_is_masked_where_it_is_the_user_name_and_inside_tls(
    ask: Ask, new_server: NewServer, chain: Chain
) -> None:
    server = new_server(chain.pem, PASS=b"230 sesame, welcome\r\n")
    result = ask(server, tls="explicit", login=Login("sesame", "sesame"), put="", transcript=True)
    assert result.ok, result.text
    dialogue = "\n".join(result.transcript)
    # The summary names the user, as the operator has.
    assert "sesame" not in dialogue
    for words in ("> 'USER ****", "> 'PASS ****", "<: 19 bytes '230 ****, welcome", "> 'STOR noidchecks-", "connect "):
        assert words in dialogue, words


def test_a_hostile_dialogue_adds_neither_lines_nor_metrics(ask: Ask, new_server: NewServer) -> None:
    server = new_server(PASS=b"230-| evil=1\r\n230-\x1b[2J\x00\xff\n230 ok|more=2;;;\r\n")
    result = ask(server, login=Login("bob", "open sesame"), transcript=True)
    assert result.ok
    first, *rest = str(result).split("\n")
    assert first.startswith("FTP OK - ")
    assert first.count("|") == 1
    assert len(rest) == len(result.transcript) > 5
    assert all("|" not in line and line.isprintable() for line in rest)


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({"USER": b"230 no password needed\r\n", "PASS": b"500 never asked\r\n"}, ""),
        ({"PASS": b"202 not needed\r\n"}, ""),
        ({"PASS": b"232 in by other means\r\n"}, ""),
        ({"PASS": b"230 in\r\n\r\nQuota: 10 MB\r\n"}, ""),
        ({"USER": b"\r\nWho are you?\r\n331 password\r\n"}, ""),
        ({"USER": b"331 password\r", "PASS": b"230-in\r230 yes\r"}, ""),
        ({"USER": b"331\n", "PASS": b"230\n"}, ""),
        ({"USER": b"220 behind the proxy\r\n331 password\r\n", "PASS": b"530 no\r\n"}, "refused: 530 no"),
        ({"USER": b"220 behind\r\n220 behind that\r\n331 password\r\n"}, ""),
        ({"USER": b"\xff\xfb\x01331 password\r\n", "PASS": b"\x00\x00230 in\r\n"}, ""),
        ({"PASS": b"230-hello\r\n530 no\r\n"}, "refused: 230-hello 530 no"),
        ({"PASS": b"230-hello\r\n202 in\r\n"}, ""),
        ({"USER": b"\r\n" * 40_000}, "the reply does not end"),
        ({"USER": b"530 not you\r\n"}, "refused: 530 not you"),
        ({"PASS": b"530-no\r\n530 | evil=1\r\n"}, "refused: 530-no 530   evil=1"),
        ({"PASS": b"530 wrong: open sesame\r\n"}, "refused: 530"),
        ({"USER": b"421 too many\r\n"}, "the server turns us away: 421 too many"),
        ({"USER": b"332 account\r\n"}, "the server wants an account (ACCT), which is not supported: 332 account"),
        ({"PASS": b"332 account\r\n"}, "the server wants an account (ACCT), which is not supported: 332 account"),
        ({"PASS": b"430 Invalid username or password\r\n"}, "refused: 430 Invalid username or password"),
        ({"USER": b"550 Authentication failure\r\n"}, "refused: 550 Authentication failure"),
        ({"PASS": b"331 again\r\n"}, "unexpected reply: 331 again"),
        ({"USER": b"331-" + b"x" * 70000}, "the reply does not end"),
        ({"USER": drop}, "the server closed the connection"),
        ({"PASS": drop}, "the server closed the connection"),
        ({"USER": reset}, "connection lost: Connection reset by peer"),
        ({"PASS": reset}, "connection lost: Connection reset by peer"),
    ],
)
def test_logins(ask: Ask, new_server: NewServer, answers: dict[str, Answer], text: str) -> None:
    result = ask(new_server(**answers), login=Login("bob", "open sesame"))
    if not text:
        assert result.ok, result.text
        return
    assert result.text == f"FTP CRITICAL - login: {text}"
    assert result.failure is not None
    assert result.failure.phase == "login"


def test_a_silent_login_ends_at_the_deadline(ask: Ask, new_server: NewServer) -> None:
    for timeout in DEADLINES:
        result = ask(new_server(USER=silence), login=Login(), timeout=timeout, timeout_state=State.UNKNOWN)
        if "login" in result.timings.phases:
            break
    assert result.text == f"UNKNOWN - Socket timeout after {timeout:g} seconds (login)"


def test_what_is_no_reply_is_told_at_the_deadline(ask: Ask, new_server: NewServer) -> None:
    for timeout in DEADLINES:
        result = ask(new_server(USER=b"garbage | open sesam\r\n"), login=Login("bob", "open sesame"), timeout=timeout)
        if "login" in result.timings.phases:
            break
    assert (
        f"CRITICAL - Socket timeout after {timeout:g} seconds,"
        " and the server does not answer with a reply: garbage   open sesam"
    ) in result.text
    hidden = ask(new_server(USER=b"open sesame\r\n"), login=Login("bob", "open sesame"), timeout=timeout)
    assert f"CRITICAL - Socket timeout after {timeout:g} seconds (login)" in hidden.text


def test_a_transfer_is_not_confused_by_what_is_no_reply(ask: Ask, new_server: NewServer) -> None:
    server = new_server(TYPE=b"200 ok\r\nby the way\r\n\r\n", MDTM=b"\r\n213 20200101000000\r\nx\r\n")
    assert ask(server, get=File("hello.txt", max_age=1e12), listing=Listing(min_files=1), put="").ok


def test_a_preliminary_reply_is_not_taken_for_the_final_one(ask: Ask, new_server: NewServer) -> None:
    early = {verb: b"110 working\r\n120 still\r\n500 no\r\n" for verb in ("EPSV", "PORT", "MDTM")}
    told = b"250- x\r\n modify=20200101000000; x\r\n250 end\r\n"
    server = new_server(**early, USER=b"120 wait\r\n331 password\r\n", MLST=told)
    ways = {"data": "both"} if ":" not in server.host else {}
    assert ask(server, **ways, get=File("hello.txt", max_age=1e12)).ok is bool(ways)


def test_an_unexpected_greeting_ends_before_the_login(ask: Ask, new_server: NewServer) -> None:
    server = new_server(greeting=b"421 full\r\n")
    result = ask(server, login=Login())
    assert result.text == "FTP WARNING - Unexpected response from host/socket: 421 full"
    assert server.await_command("QUIT")
    assert server.commands == ["QUIT"]


def test_jailed_words_of_the_server_are_not_repeated(ask: Ask, new_server: NewServer) -> None:
    result = ask(new_server(USER=b"530 private\r\n"), login=Login(), jail=True)
    assert result.text == "FTP CRITICAL - login: refused: 530"


@pytest.mark.parametrize("secured", [False, True])
def test_jailed_words_are_in_no_transcript(ask: Ask, new_server: NewServer, chain: Chain, secured: bool) -> None:
    server = new_server(chain.pem if secured else None, greeting=b"220 private\r\n", PASS=b"230 private\r\n")
    server.files["hello.txt"] = b"private"
    tls = "explicit" if secured else ""
    result = ask(server, tls=tls, data="passive", get=File("hello.txt"), jail=True, transcript=True)
    assert result.ok, result.text
    received = [line for line in result.transcript if " <: " in line and "nothing in time" not in line]
    assert received
    assert all(re.fullmatch(r"[0-9.]+ <: (\d+ bytes|end of stream)", line) for line in received)
    assert "private" not in str(result)


def test_a_jailed_address_is_not_repeated(check: Check) -> None:
    pasv = b"227 ok (192,0,2,1,1,1)\r\n"
    with FtpServer("127.0.0.1", {"EPSV": b"502 no\r\n", "PASV": pasv}) as server:
        probe = FtpProbe(server.host, port=server.port, timeout=LONG, data="passive", jail=True)
        result = check(probe, transcript=True)
    assert "PASV announces an address, which is not the server (127.0.0.1, used instead)" in str(result)
    assert "192.0.2.1" not in str(result)
