"""Replies to a transfer that come late, early or not at all: both drivers, both families."""

from __future__ import annotations

import pytest

from noidchecks import File, State
from tests.support.ftp import FtpSession, reset_data
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
