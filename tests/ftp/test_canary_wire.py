"""The canary, at servers that misbehave: both drivers, both families."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from noidchecks import State
from tests.support.ftp import Answer, FtpSession, drop, give, reset, reset_data, silence
from tests.support.ftp_servers import Ask, NewServer, canaries
from tests.support.waiting import DEADLINES, LONG

pytestmark = pytest.mark.usefixtures("nothing_left", "short_patience")


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


async def leave_behind_too_much(session: FtpSession) -> None:
    """Ends the session when the client closes the data connection in the middle."""
    session.is_over = True
    with contextlib.suppress(OSError):
        await session.give(b"x" * 1000)


@pytest.mark.parametrize(
    ("answers", "text", "left"),
    [
        ({"STOR": b"553 read only\r\n"}, "put: STOR refused: 553 read only", False),
        ({"RETR": give(b"changed")}, "put: what was read back is not what was stored: 7 of 352 bytes", False),
        ({"RETR": give(b"x" * 1000)}, "more than 352 bytes", False),
        ({"RETR": leave_behind_too_much}, "more than 352 bytes", True),
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
    # The server takes two seconds, and the share that is kept for tidying up is longer.
    for timeout in (4.0, 20.0, LONG):
        server = new_server(**answers)
        result = ask(server, put="", timeout=timeout)
        if "may be left on the server" not in result.text and server.await_command("DELE noidchecks-", 2.0):
            break
    assert f"Socket timeout after {timeout:g} seconds" in result.text
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
