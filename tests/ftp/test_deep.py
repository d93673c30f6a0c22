"""What lies behind the login, against a server that misbehaves at every step: both drivers, both families."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from noidchecks import Active, File, FtpProbe, Listing, Login, Range, Result, State
from tests.conftest import Check
from tests.fakes.ftp import Answer, FtpServer, FtpSession, drop, give, reset, reset_data, silence
from tests.patience import DEADLINES, LONG

pytestmark = pytest.mark.usefixtures("nothing_left")

NewServer = Callable[..., FtpServer]
HELLO = b"Hello, world.\n"
DIGEST = sha256(HELLO).hexdigest()


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the wait for the reason of a failure."""
    monkeypatch.setattr("noidchecks.ftp.data._REASON_PATIENCE", 2.0)
    monkeypatch.setattr("noidchecks.ftp.data._TURN", 0.02)


@pytest.fixture
def new_server(host: str) -> Iterator[NewServer]:
    """Starts FTP servers on the family under test; the answers are by verb."""
    started: list[FtpServer] = []

    def start(certificate: Path | None = None, **answers: Answer) -> FtpServer:
        started.append(FtpServer(host, answers, certificate))
        return started[-1]

    yield start
    for server in started:
        server.close()


Ask = Callable[..., Result]


@pytest.fixture
def ask(check: Check) -> Ask:
    """Checks a server."""

    def checked(server: FtpServer, *, transcript: bool = False, **settings: Any) -> Result:
        probe = FtpProbe(server.host, port=server.port, **{"timeout": LONG} | settings)
        result = check(probe, transcript=transcript)
        assert str(result).count("|") == 1
        assert "\n" not in result.text
        return result

    return checked


def passive(host: str) -> list[str]:
    return ["EPSV"] if ":" in host else ["EPSV", "PASV"]


def active(host: str) -> list[str]:
    return ["EPRT"] if ":" in host else ["PORT", "EPRT"]


# Login


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


def test_a_password_is_masked_where_it_is_the_user_name_and_inside_tls(
    ask: Ask, new_server: NewServer, certificate: Path
) -> None:
    server = new_server(certificate, PASS=b"230 sesame, welcome\r\n")
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
        ({"USER": b"530 not you\r\n"}, "refused: 530 not you"),
        ({"PASS": b"530-no\r\n530 | evil=1\r\n"}, "refused: 530-no 530   evil=1"),
        ({"PASS": b"530 wrong: open sesame\r\n"}, "refused: 530"),
        ({"USER": b"421 too many\r\n"}, "the server turns us away: 421 too many"),
        ({"USER": b"332 account\r\n"}, "the server wants an account (ACCT), which is not supported: 332 account"),
        ({"PASS": b"332 account\r\n"}, "the server wants an account (ACCT), which is not supported: 332 account"),
        ({"PASS": b"331 again\r\n"}, "unexpected reply: 331 again"),
        ({"USER": b"garbage\r\n"}, "the server does not answer with a reply"),
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
    assert result.text == f"FTP UNKNOWN - login: Socket timeout after {timeout:g} seconds"


def test_an_unexpected_greeting_ends_before_the_login(ask: Ask, new_server: NewServer) -> None:
    server = new_server(greeting=b"421 full\r\n")
    result = ask(server, login=Login())
    assert result.text == "FTP WARNING - Unexpected response from host/socket: 421 full"
    assert server.await_command("QUIT")
    assert server.commands == ["QUIT"]


def test_jailed_words_of_the_server_are_not_repeated(ask: Ask, new_server: NewServer) -> None:
    result = ask(new_server(USER=b"530 private\r\n"), login=Login(), jail=True)
    assert result.text == "FTP CRITICAL - login: refused: 530"


# Data connections


@pytest.mark.parametrize("mode", ["passive", "active", "both"])
def test_every_way_to_the_data_is_tried(ask: Ask, new_server: NewServer, host: str, mode: str) -> None:
    server = new_server()
    result = ask(server, data=mode, show_phases=True)
    ways = {"passive": passive(host), "active": active(host), "both": passive(host) + active(host)}[mode]
    assert result.ok, result.text
    assert result.text.endswith(f"[login anonymous, data {' '.join(ways)}]")
    assert result.facts["data"] == dict.fromkeys(ways, "ok")
    assert result.metrics[-1].label == "throughput"
    assert server.commands.count("LIST") == len(ways)
    assert {"login", "data", "transfer"} <= result.timings.phases.keys()


def unused_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def test_a_refused_data_connection_is_named(ask: Ask, new_server: NewServer, host: str) -> None:
    port = unused_port(host)
    result = ask(new_server(EPSV=f"229 ok (|||{port}|)\r\n".encode()), data="passive")
    assert result.text == f"FTP CRITICAL - data channel: EPSV {host} port {port}: Connection refused"
    assert not result.ok
    if ":" not in host:
        assert result.facts["data"] == {"EPSV": result.text.removeprefix("FTP CRITICAL - "), "PASV": "ok"}


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({"EPSV": b"425 no port left\r\n"}, "data channel: EPSV: refused: 425 no port left"),
        ({"EPSV": b"229 ok (|||0|)\r\n"}, "data channel: EPSV: EPSV: the reply 229 holds no port"),
        ({"EPSV": b"229 ok\r\n"}, "data channel: EPSV: EPSV: the reply 229 holds no port"),
        ({"EPSV": drop}, "data channel: EPSV: the server closed the connection"),
        ({"EPSV": reset}, "data channel: EPSV: connection lost: Connection reset by peer"),
        ({"TYPE": b"500 no\r\n"}, "TYPE A refused: 500 no"),
        ({"LIST": b"550 no such directory\r\n"}, "LIST refused: 550 no such directory"),
        ({"LIST": reset_data}, "data channel: EPSV {host} port {port}: Connection reset by peer (426 broken off)"),
        ({"LIST": give(b"x", b"451 disk\r\n")}, "transfer failed: 451 disk"),
        ({"LIST": drop}, "data channel: EPSV {host} port {port}: the server closed the connection"),
    ],
)
def test_data_channels(ask: Ask, new_server: NewServer, answers: dict[str, Answer], text: str) -> None:
    result = ask(new_server(**answers), data="passive")
    before, _, after = text.partition("{host} port {port}")
    assert result.text.startswith(f"FTP CRITICAL - {before}"), result.text
    assert after in result.text


def test_silence_on_the_way_to_the_data_ends_at_the_deadline(ask: Ask, new_server: NewServer, host: str) -> None:
    for timeout in DEADLINES:
        server = new_server(LIST=silence)
        result = ask(server, data="active", timeout=timeout)
        if "LIST" in server.commands:
            break
    assert result.text.startswith(f"FTP CRITICAL - data channel: {active(host)[0]} {host} port ")
    assert result.text.endswith(f": Socket timeout after {timeout:g} seconds")


def test_a_server_that_never_calls_back_is_named(ask: Ask, new_server: NewServer, host: str) -> None:
    async def promise(session: FtpSession) -> None:
        await session.send(b"150 soon\r\n425 cannot\r\n")

    result = ask(new_server(LIST=promise), data="active")
    assert "the server does not connect: 425 cannot" in result.text
    assert result.text.count("data channel: ") == len(active(host))


def test_old_servers_need_not_know_the_extended_ways(ask: Ask, new_server: NewServer, host: str) -> None:
    server = new_server(EPSV=b"500 what\r\n", EPRT=b"502 what\r\n")
    result = ask(server, data="both")
    assert result.ok is (":" not in host), result.text
    if result.ok:
        assert result.text.endswith("data PASV PORT]")
        assert ask(server, get=File("hello.txt")).ok
    else:
        assert result.text.startswith("FTP CRITICAL - data channel: EPSV: refused: 500 what")


@pytest.mark.parametrize("state", [State.OK, State.WARNING, State.CRITICAL])
def test_an_announced_address_that_is_not_the_servers_is_a_finding(check: Check, state: State) -> None:
    async def foreign(session: FtpSession) -> None:
        port = session.open_port()
        await session.send(f"227 ok (192,0,2,1,{port >> 8},{port & 255})\r\n".encode())

    with FtpServer("127.0.0.1", {"PASV": foreign}) as server:
        result = check(FtpProbe(server.host, port=server.port, data="passive", foreign_pasv=state))
    assert result.state == state
    told = "data channel: PASV announces 192.0.2.1, which is not the server (127.0.0.1, used instead)"
    assert told in [part.text for part in result.parts]
    assert (told in result.text) is (state != State.OK)


def test_our_ports_and_address_in_active_mode(ask: Ask, new_server: NewServer, host: str) -> None:
    port = unused_port(host)
    server = new_server()
    assert ask(server, data="active", active=Active(host, (port, port + 20))).ok
    told = next(command for command in server.commands if command.startswith("EPRT"))
    assert port <= int(told.split("|")[3]) <= port + 20
    other = "192.0.2.1" if ":" in host else "2001:db8::1"
    wrong = ask(server, data="active", active=Active(other))
    assert wrong.state == State.UNKNOWN
    assert f"active address {other} is not of the family of the connection" in wrong.text


# Listings and files


@pytest.mark.parametrize(
    ("listing", "text"),
    [
        (Listing(), "list]"),
        (Listing("pub"), "list pub]"),
        (Listing(min_files=1, max_files=1), "list 1 files]"),
        (Listing(min_files=2), "list: 1 files, expected at least 2"),
        (Listing("pub", max_files=0), "list pub: 1 files, expected at most 0"),
    ],
)
def test_listings(ask: Ask, new_server: NewServer, listing: Listing, text: str) -> None:
    result = ask(new_server(), listing=listing)
    assert result.text.endswith(text)
    assert result.ok is text.endswith("]")
    assert ("files" in {metric.label for metric in result.metrics}) is listing.counts


def test_a_listing_ends_somewhere(ask: Ask, new_server: NewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noidchecks.ftp.deep._LISTING_LIMIT", 1000)
    result = ask(new_server(LIST=give(b"x" * 100_000)), listing=Listing())
    assert result.state == State.CRITICAL
    assert result.text.endswith("more than 1000 bytes")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (File("hello.txt", size=Range(14, 14), sha256=DIGEST, contains=b"o, w"), "get hello.txt 14 bytes]"),
        (File("hello.txt", size=Range(0, 9)), "get hello.txt: size: expected 9 bytes, received 14 bytes"),
        (File("hello.txt", sha256="0" * 64), f"get hello.txt: SHA-256: expected {'0' * 64}, received {DIGEST}"),
        (File("hello.txt", contains=b"moon"), "get hello.txt: does not contain 'moon'"),
        (File("hello.txt", limit=5), ": more than 5 bytes"),
        (File("nosuch"), "get nosuch: RETR refused: 550 no such file"),
        (File("-x"), "get -x: RETR refused: 550 no such file"),
    ],
)
def test_files(ask: Ask, new_server: NewServer, file: File, text: str) -> None:
    result = ask(new_server(), get=file)
    assert result.text.endswith(text), result.text
    assert result.ok is text.endswith("]")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"213 20990101000000.123\r\n", "get hello.txt 14 bytes]"),
        (b"213 20200101000000\r\n", "s"),
        (b"213 yesterday\r\n", "get hello.txt: MDTM: the reply 213 holds no time"),
        (b"502 no\r\n", "get hello.txt: no age, MDTM refused: 502 no"),
    ],
)
def test_ages(ask: Ask, new_server: NewServer, answer: bytes, text: str) -> None:
    result = ask(new_server(MDTM=answer), get=File("hello.txt", max_age=3600))
    assert result.text.endswith(text), result.text
    assert result.ok is text.endswith("]")
    assert ("age: expected at most 3600s" in result.text) is (text == "s")


def test_a_reset_transfer_is_no_file(ask: Ask, new_server: NewServer) -> None:
    result = ask(new_server(RETR=reset_data), get=File("hello.txt"))
    assert result.text.startswith("FTP CRITICAL - get hello.txt: data channel: EPSV ")
    assert result.text.endswith("Connection reset by peer (426 broken off)")


def test_the_part_that_decides_comes_first(ask: Ask, new_server: NewServer) -> None:
    result = ask(new_server(), warning=Range(10, 20), get=File("hello.txt", contains=b"moon"))
    assert result.text.startswith("FTP CRITICAL - get hello.txt: does not contain 'moon'; Connection time ")
    slow = ask(new_server(), warning=Range(10, 20), login=Login())
    assert slow.text.startswith("FTP WARNING - 0.")


# The canary


def canaries(server: FtpServer) -> list[str]:
    return [name for name in server.files if "noidchecks" in name]


@pytest.mark.parametrize("folder", ["", "/", "up", "/up/", "-up"])
def test_a_canary_flies_and_is_gone(ask: Ask, new_server: NewServer, folder: str) -> None:
    server = new_server()
    result = ask(server, put=folder)
    assert result.ok, result.text
    assert result.text.endswith("[login anonymous, put]")
    assert canaries(server) == []
    stored = next(command for command in server.commands if command.startswith("STOR"))
    start = {"": "", "/": "/", "up": "up/", "/up/": "/up/", "-up": "./-up/"}[folder]
    assert stored.startswith(f"STOR {start}noidchecks-")


@pytest.mark.parametrize(
    ("answers", "text", "left"),
    [
        ({"STOR": b"553 read only\r\n"}, "put: STOR refused: 553 read only", False),
        ({"RETR": give(b"changed")}, "put: what was read back is not what was stored: 7 of 352 bytes", False),
        ({"RETR": give(b"x" * 1000)}, "more than 352 bytes", False),
        ({"RETR": b"550 cannot read\r\n"}, "put: RETR refused: 550 cannot read", False),
        ({"RETR": reset_data}, "Connection reset by peer (426 broken off)", False),
        ({"RETR": drop}, "the server closed the connection", True),
        ({"RETR": reset}, "connection lost: Connection reset by peer", True),
        ({"DELE": b"550 no permission\r\n"}, "put: DELE refused: 550 no permission", True),
        ({"DELE": drop}, "put: the server closed the connection", True),
        ({"RETR": give(b"x"), "DELE": b"550 no\r\n"}, "not what was stored: 1 of 352 bytes", True),
        ({"EPSV": drop}, "the server closed the connection", False),
        ({"STOR": drop}, "the server closed the connection", False),
        ({"STOR": reset}, "connection lost: Connection reset by peer", False),
    ],
)  # fmt: skip
def test_a_canary_is_taken_away_whatever_happens(
    ask: Ask, new_server: NewServer, answers: dict[str, Answer], text: str, left: bool
) -> None:
    server = new_server(**answers)
    result = ask(server, put="")
    assert result.state == State.CRITICAL
    assert text in result.text, result.text
    assert bool(canaries(server)) is left
    # Where the connection ended in the middle of it, nobody knows.
    told = left or answers.get("STOR") in (drop, reset)
    assert ("may be left on the server" in result.text) is told


def test_a_broken_store_is_deleted_too(ask: Ask, new_server: NewServer) -> None:
    async def break_off(session: FtpSession) -> None:
        await session.send(b"150 go\r\n")
        _, writer = await session.connect()
        writer.transport.abort()
        await session.send(b"426 broken off\r\n")

    server = new_server(STOR=break_off, DELE=b"250 gone\r\n")
    result = ask(server, put="")
    assert result.state == State.CRITICAL
    assert any(command.startswith("DELE noidchecks-") for command in server.commands)


async def linger(session: FtpSession) -> None:
    """Begins a transfer that never ends, until the client breaks it off."""
    await session.send(b"150 here it comes\r\n")
    reader, writer = await session.connect()
    await reader.read()
    writer.close()
    await session.send(b"250 ended, more or less\r\n")


async def store_slowly(session: FtpSession) -> None:
    """Keeps what comes, and takes long to say so."""
    await session.send(b"150 go\r\n")
    reader, writer = await session.connect()
    session.server.files[session.argument] = await reader.read()
    writer.close()
    await asyncio.sleep(2)
    await session.send(b"250 stored at last\r\n")


@pytest.mark.parametrize("answers", [{"RETR": linger}, {"STOR": store_slowly}])
def test_a_canary_is_taken_away_before_the_deadline(
    ask: Ask, new_server: NewServer, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Answer]
) -> None:
    monkeypatch.setattr("noidchecks.files.canary._SHARE", 0.7)
    server = new_server(**answers)
    result = ask(server, put="", timeout=4)
    assert "Socket timeout after 4 seconds" in result.text
    assert "may be left on the server" not in result.text
    assert any(command.startswith("DELE noidchecks-") for command in server.commands)
    assert canaries(server) == []


@pytest.mark.parametrize(
    "answers", [{"RETR": silence}, {"DELE": silence}, {"STOR": silence}, {"RETR": linger, "DELE": silence}]
)
def test_a_canary_at_the_deadline_is_told_of(ask: Ask, new_server: NewServer, answers: dict[str, Answer]) -> None:
    for timeout in DEADLINES:
        server = new_server(**answers)
        result = ask(server, put="", timeout=timeout)
        if server.await_command("DELE noidchecks-", 2.0):
            break
    assert f"Socket timeout after {timeout:g} seconds" in result.text
    assert "may be left on the server" in result.text
    assert any(command.startswith("DELE noidchecks-") for command in server.commands)


# TLS


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made certificate with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-subj", "/CN=x"],
        check=True, capture_output=True,
    )  # fmt: skip
    pem.write_bytes(pem.read_bytes() + key.read_bytes())
    return pem


def test_data_connections_resume_the_session(ask: Ask, new_server: NewServer, certificate: Path) -> None:
    server = new_server(certificate)
    result = ask(server, tls="explicit", data="both", get=File("hello.txt", sha256=DIGEST), put="")
    assert result.ok, result.text
    assert "PBSZ 0" in server.commands
    assert "PROT P" in server.commands
    assert server.resumed
    assert all(server.resumed)
    assert canaries(server) == []


def test_data_in_clear_behind_tls(ask: Ask, new_server: NewServer, certificate: Path) -> None:
    server = new_server(certificate)
    server.protects = False
    result = ask(server, tls="explicit", get=File("hello.txt", sha256=DIGEST), data_protection="C")
    assert result.ok, result.text
    assert "PROT C" in server.commands


@pytest.mark.parametrize("verb", ["PBSZ", "PROT"])
def test_refused_protection_is_named(ask: Ask, new_server: NewServer, certificate: Path, verb: str) -> None:
    result = ask(new_server(certificate, **{verb: b"534 no\r\n"}), tls="explicit", data="passive")
    words = "PBSZ" if verb == "PBSZ" else "PROT P"
    assert result.text == f"FTP CRITICAL - data protection: {words} refused: 534 no"


def test_a_data_connection_that_speaks_no_tls_is_named(ask: Ask, new_server: NewServer, certificate: Path) -> None:
    server = new_server(certificate)
    server.protects = False
    result = ask(server, tls="explicit", get=File("hello.txt"))
    assert result.state == State.CRITICAL
    assert "get hello.txt: data channel: EPSV " in result.text
    assert "Cannot make SSL connection: " in result.text
