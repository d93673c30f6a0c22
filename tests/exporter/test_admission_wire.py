"""The allow list at work: names, the addresses behind them, and what a server names."""

from __future__ import annotations

import _socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noidchecks.address import AF_INET, STREAM, Address
from noidchecks.dialogue.operations import Connect, Dialogue, Resolve
from noidchecks.drivers.session import Session, run
from noidchecks.errors import LocalError, NotConnected
from noidchecks.exporter.admission import Admission
from noidchecks.exporter.allowed import AllowList
from tests.conftest import NewPeer
from tests.exporter.serving import exporter
from tests.support.ftp import FtpServer, FtpSession
from tests.support.peers import await_text

GREETING = b"220 Ready.\r\n"
# What the name server says, one answer after the other; the last one holds.
Answers = Callable[..., list[bytes]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Has the next look-ups of any name give these addresses; the list returned has the names that were asked for."""
    real = _socket.getaddrinfo

    def install(*answers: tuple[str, ...]) -> list[bytes]:
        asked: list[bytes] = []

        def answer(host: Any, port: int, family: int = 0, kind: int = 0, protocol: int = 0, flags: int = 0) -> Any:
            if flags & _socket.AI_NUMERICHOST or not isinstance(host, bytes) or b"test" not in host:
                return real(host, port, family, kind, protocol, flags)
            asked.append(host)
            found = answers[min(len(asked), len(answers)) - 1]
            return [one for address in found for one in real(address, port, 0, kind, 0, _socket.AI_NUMERICHOST)]

        monkeypatch.setattr(_socket, "getaddrinfo", answer)
        return asked

    return install


async def test_a_name_is_judged_by_the_addresses_that_the_probe_gets(new_peer: NewPeer, names: Answers) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"), host="127.0.0.1")
    # A second look-up would find a network that nobody allowed.
    asked = names(("127.0.0.1",), ("127.1.1.1",))
    async with exporter(allow=("127.0.0.0/24",)) as running:
        answer = await running.get(f"/probe?module=ftp&target=rebind.test:{peer.port}")
        assert answer.samples["probe_success"] == 1
        assert asked == [b"rebind.test"]
        answer = await running.get(f"/probe?module=ftp&target=rebind.test:{peer.port}")
    assert answer.status == 403
    assert answer.text.startswith(f"target rebind.test:{peer.port} is not allowed")
    assert len(peer.clients) == 1


async def test_of_several_addresses_the_probe_gets_those_that_are_allowed(new_peer: NewPeer, names: Answers) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"), host="127.0.0.1")
    names(("127.1.1.1", "127.0.0.1"))
    async with exporter(allow=("127.0.0.0/24",)) as running:
        answer = await running.get(f"/probe?module=ftp&target=both.test:{peer.port}&debug=true")
    assert "probe_success 1" in answer.text
    assert "127.1.1.1" not in answer.text


async def test_a_name_that_a_pattern_matches_may_have_any_address(new_peer: NewPeer, names: Answers) -> None:
    peer = new_peer(GREETING, await_text(b"QUIT"), host="127.0.0.1")
    names(("127.0.0.1",))
    async with exporter(allow=("*.example.test",)) as running:
        assert (await running.get(f"/probe?module=ftp&target=a.example.test:{peer.port}")).samples["probe_success"] == 1
        assert (await running.get(f"/probe?module=ftp&target=a.other.test:{peer.port}")).status == 403
        assert (await running.get(f"/probe?module=ftp&target=127.0.0.1:{peer.port}")).status == 403


async def test_a_name_that_does_not_exist_is_a_failed_probe(names: Answers) -> None:
    async with exporter(allow=("127.0.0.0/8",)) as running:
        answer = await running.get("/probe?module=ftp&target=nothing.invalid")
    assert answer.status == 200
    assert answer.samples["probe_success"] == 0
    assert answer.samples['noidchecks_failure_info{kind="NotResolved",phase="resolve"}'] == 1


async def test_every_plugin_is_held_to_the_list(names: Answers, tmp_path: Path) -> None:
    names(("127.1.1.1",))
    (tmp_path / "m").write_text('[modules]\nsftp = "check_sftp --user u --secret p"\n')
    async with exporter(modules=str(tmp_path / "m"), allow=("10.0.0.0/8",)) as running:
        for module in ("ftp", "ftp_tls", "tftp", "ssh", "sftp"):
            answer = await running.get(f"/probe?module={module}&target=some.test")
            assert answer.status == 403, module
        found = (await running.get("/metrics")).samples
        assert found['noidchecks_exporter_probes_total{module="ssh",result="refused"}'] == 1


async def test_a_server_cannot_send_the_probe_elsewhere(tmp_path: Path) -> None:
    async def foreign(session: FtpSession) -> None:
        port = session.open_port()
        await session.send(f"227 Entering Passive Mode (192,0,2,1,{port >> 8},{port & 255})\r\n".encode())

    (tmp_path / "m").write_text(
        'allow = ["127.0.0.1"]\n[modules]\ndata = "check_ftp --data passive --foreign-pasv ok"\n'
    )
    with FtpServer("127.0.0.1", {"PASV": foreign, "EPSV": b"502 no\r\n"}) as server:
        async with exporter(modules=str(tmp_path / "m")) as running:
            answer = await running.get(f"/probe?module=data&target=127.0.0.1:{server.port}&debug=true")
    assert "probe_success 1\n" in answer.text
    assert "connect 192.0.2.1" not in answer.text


@pytest.mark.parametrize(("other", "is_allowed"), [("127.0.0.1", True), ("127.0.0.9", True), ("127.1.1.1", False)])
def test_no_dialogue_connects_where_it_may_not(other: str, is_allowed: bool, new_peer: NewPeer) -> None:
    peer = new_peer(b"x", host="127.0.0.1")
    admission = Admission(AllowList(("127.0.0.0/24",)), by_name=False)

    def dialogue() -> Dialogue[str]:
        yield Resolve("127.0.0.1", peer.port, 0, STREAM)
        try:
            yield Connect(Address(AF_INET, (other, peer.port)))
        except LocalError as error:
            return error.message
        except NotConnected:
            return ""
        return ""

    session = Session(dialogue(), 60, perform=admission.performers)
    run(session)
    assert session.value == ("" if is_allowed else f"{other} is not on the allow list")
    assert not admission.refused
    assert admission.address == Address(AF_INET, ("127.0.0.1", peer.port))
