"""A server that misbehaves at one step of a deep check: every step, every kind, one clear sentence each."""

from __future__ import annotations

import pytest

from noidchecks import File, FtpProbe, Listing, Login, State
from tests.conftest import Check
from tests.support.certificates import Chain
from tests.support.ftp import Answer, FtpServer, FtpSession, drop, reset, silence
from tests.support.ftp_servers import wait_for_reasons
from tests.support.waiting import DEADLINES, LONG

pytestmark = pytest.mark.usefixtures("nothing_left")

# Without end, asyncio would go on to fill the memory with TLS records for a client that has left.
ROUNDS = 300
PATIENCE = "Socket timeout after"


async def endless_line(session: FtpSession) -> None:
    """Begins a reply, and never ends its line."""
    await session.send(b"250 ")
    for _ in range(ROUNDS):
        await session.send(b"x" * 4096)


async def endless_lines(session: FtpSession) -> None:
    """Begins a reply of several lines, and never comes to the last one."""
    for _ in range(ROUNDS):
        await session.send(b"250-and\r\n" * 400)


async def half(session: FtpSession) -> None:
    """Ends in the middle of a line."""
    await session.send(b"25")
    session.is_over = True


PLAIN = (*("greeting", "USER", "PASS", "TYPE", "EPSV", "PASV", "PORT", "EPRT", "LIST", "MDTM", "RETR", "STOR", "DELE"),)
SECURED = ("AUTH", "PBSZ", "PROT")
# Each kind with the words of which one must be in the line; none of them is the right reply to anything.
KINDS: dict[str, tuple[Answer, tuple[str, ...]]] = {
    "closes": (drop, ("closed the connection", "No data received", "not answered")),
    "closes in the middle": (half, ("closed the connection", "Unexpected response", "not answered")),
    "resets": (reset, ("Connection reset", "No data received")),
    "is silent": (silence, (PATIENCE,)),
    "garbage": (b"\x1b[2J|evil=1\r\n", ("does not answer with a reply", "Unexpected response")),
    "zeros": (b"\0" * 40, ("does not answer with a reply", "Unexpected response")),
    "421": (b"421 too many\r\n", ("421 too many",)),
    "550": (b"550 no such thing\r\n", ("550 no such thing",)),
    "wrong code": (b"599 what now?\r\n", ("599 what now?",)),
    "an endless line": (endless_line, ("the reply does not end", "Unexpected response", "not answered")),
    "endless lines": (endless_lines, ("the reply does not end", "Unexpected response", "not answered")),
}

# Whatever a server refuses these with, there is another way, or none is needed. A folder may be listed by MLSD, unless
# there is no such thing.
HAVE_SUBSTITUTES = ("EPSV", "PASV", "PORT", "EPRT", "PBSZ")
REFUSALS = ("550", "wrong code")
# What may be a line without a code before the reply is waited for.
ENDED_BY_THE_DEADLINE = ("is silent", "garbage", "zeros")


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for_reasons(monkeypatch, 0.1)
    monkeypatch.setattr("noidchecks.ftp.dialogue.READ_GAP", 0.1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [*PLAIN, *SECURED])
def test_one_clear_sentence(check: Check, chain: Chain, step: str, kind: str) -> None:
    answer, words = KINDS[kind]
    for timeout in DEADLINES if kind in ENDED_BY_THE_DEADLINE else (LONG,):
        with FtpServer("127.0.0.1", {step: answer}, chain.pem if step in SECURED else None) as server:
            probe = FtpProbe(
                server.host,
                port=server.port,
                timeout=timeout,
                tls="explicit" if step in SECURED else "",
                limit=8192,
                login=Login("bob", "open sesame"),
                data="both",
                listing=Listing(),
                get=File("hello.txt", max_age=1e9),
                put="",
            )
            result = check(probe, transcript=True)
        if any(word in result.text for word in words):
            break
    line = result.text
    if (step in HAVE_SUBSTITUTES and kind in REFUSALS) or (step, kind) == ("LIST", "wrong code"):
        assert result.ok, line
        return
    # A greeting that is none is for -M.
    expected = State.WARNING if "Unexpected response" in line else State.CRITICAL
    assert result.state == expected, line
    # The C plugin says less in front of some of its words.
    service = "" if "Socket timeout" in line else "FTP "
    assert line.startswith((f"{service}{expected} - ", "No data received from host"))
    assert any(word in line for word in words), line
    assert "\n" not in line
    assert line.isprintable()
    assert len(line) < 9000
    assert "internal error" not in line
    assert "Traceback" not in line
    assert str(result).partition("\n")[0].count("|") == 1
    assert "sesame" not in str(result)
    if result.failure is not None:
        assert result.failure.phase in {"greeting", "tls", "login", "data", "transfer"}
    may_be_there = any(name.startswith("noidchecks-") for name in server.files)
    assert not may_be_there or "may be left on the server" in line, line
