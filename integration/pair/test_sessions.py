"""Idle control sessions after a take-over: those that can be handed over go on, the others are reset at once."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from integration.clients import Data
from integration.lab.sessions import FtpSession
from integration.pair.farms import everything
from integration.pair.lab import PairLab
from integration.pair.topology import SHORT_CLIENT, SHORT_VIP, VIP

pytestmark = pytest.mark.root


def take_over(lab: PairLab) -> None:
    """Lets lb1 crash, and waits until lb2 serves."""
    lab.nodes[0].crash()
    lab.wait_until_serves(lab.nodes[1])


@pytest.mark.parametrize("mode", ["snat", "dnat"])
def test_idle_sessions_open_new_data_connections(pair_lab: PairLab, mode: str) -> None:
    pair_lab.boot(everything(mode))
    with ExitStack() as opened:
        sessions = {
            f"{data.name}{version}-{used}": opened.enter_context(FtpSession(pair_lab.client, VIP[version], data))
            for version in (4, 6)
            for data in (Data if version == 4 else (Data.EPSV, Data.EPRT))
            for used in ("used", "new")
        }
        before = {name: one.fetch() if name.endswith("used") else "" for name, one in sessions.items()}
        take_over(pair_lab)
        after = {name: one.outcome() for name, one in sessions.items()}
    assert {name for name, found in after.items() if found not in ("b1", "b2", "b3")} == set(), after
    assert all(after[name] == found for name, found in before.items() if found)


def test_what_cannot_be_handed_over_is_reset(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    with ExitStack() as opened:
        stretched, extended, idle = (
            opened.enter_context(FtpSession(pair_lab.client, SHORT_VIP[4], data))
            for data in (Data.PASV, Data.EPSV, Data.PASV)
        )
        name = stretched.fetch()
        assert extended.fetch() == name
        take_over(pair_lab)
        assert stretched.outcome() == "reset"
        # The same farm, and nothing of theirs was rewritten.
        assert extended.outcome() == name
        assert idle.outcome() == name
    with FtpSession(pair_lab.client, SHORT_VIP[4], Data.PASV) as again:
        assert again.fetch() == name


@pytest.mark.parametrize(
    ("data", "version", "mode"), [(Data.PORT, 4, "snat"), (Data.EPRT, 4, "snat"), (Data.EPRT, 6, "dnat")]
)
def test_active_sessions_that_cannot_be_handed_over_are_reset(
    pair_lab: PairLab, data: Data, version: int, mode: str
) -> None:
    pair_lab.boot(everything(mode))
    with ExitStack() as opened:
        stretched, extended = (
            opened.enter_context(FtpSession(pair_lab.client, VIP[version], one, source=SHORT_CLIENT[version]))
            for one in (data, Data.EPSV)
        )
        name = stretched.fetch()
        assert extended.fetch() == name
        take_over(pair_lab)
        assert stretched.outcome() == "reset"
        assert extended.outcome() == name


def test_an_announced_port_is_refused(pair_lab: PairLab) -> None:
    pair_lab.boot(everything())
    with FtpSession(pair_lab.client, VIP[4], Data.EPSV) as session:
        host, port = session.ftp.makepasv()
        # Its answer is acknowledged then: sent again through lb2, it would make lb2 expect the connection after all.
        session.ftp.voidcmd("NOOP")
        take_over(pair_lab)
        with pair_lab.client.entered(), socket.socket() as data:
            data.settimeout(5)
            with pytest.raises(ConnectionRefusedError):
                data.connect((host, port))
        # A client that asks again gets what it wants.
        assert session.fetch()
