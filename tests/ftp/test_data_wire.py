"""Data connections, at servers that misbehave: both drivers, both families."""

from __future__ import annotations

import pytest

from noidchecks import Active, File, FtpProbe, State
from tests.conftest import Check
from tests.support.ftp import Answer, FtpServer, FtpSession, drop, give, reset, reset_data, silence
from tests.support.ftp_servers import Ask, NewServer, active, passive
from tests.support.peers import unused_port
from tests.support.waiting import DEADLINES

pytestmark = pytest.mark.usefixtures("nothing_left", "short_patience")


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


def test_a_refused_data_connection_is_named(ask: Ask, new_server: NewServer, host: str) -> None:
    port = unused_port(host)
    result = ask(new_server(EPSV=f"229 ok (|||{port}|)\r\n".encode()), data="passive")
    alone = "; over IPv6 there is no PASV to try instead" if ":" in host else ""
    assert result.text == f"FTP CRITICAL - data channel: EPSV {host} port {port}: Connection refused{alone}"
    assert not result.ok
    if ":" not in host:
        assert result.facts["data"] == {"EPSV": result.text.removeprefix("FTP CRITICAL - "), "PASV": "ok"}


@pytest.mark.parametrize(
    ("answers", "text"),
    [
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
    words = f"CRITICAL - Socket timeout after {timeout:g} seconds (data channel: {active(host)[0]} {host} port "
    assert result.text.startswith(words)


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


def test_one_port_is_enough_in_active_mode(ask: Ask, new_server: NewServer, host: str) -> None:
    """Whoever closes first, as we do behind an upload, keeps the port in TIME_WAIT."""
    port = unused_port(host)
    server = new_server()
    for _ in range(2):
        result = ask(server, data="active", active=Active(ports=(port, port)), put="")
        assert result.ok, result.text


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
