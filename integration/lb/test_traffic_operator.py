"""What the operator says: drain keeps flows, down keeps them too, --cut ends them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from uuid import uuid4

import pytest

from integration.clients import Data, sha256
from integration.lab import Backend, Lab, vip
from integration.lab.names import Asked, ask_often
from integration.lab.sessions import FtpSession, Transfer
from integration.lb.balance import Balance, flows, forget_ended
from integration.lb.farms import farm
from tests.support.waiting import until

pytestmark = pytest.mark.root

Word = Callable[[Balance, str, str], None]


def test_drain_keeps_connections(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names]))
    host = vip(version)
    with ExitStack() as opened:
        held = [opened.enter_context(Asked(lab.client, host, names)) for _ in range(6)]
        balance.drain("farm", "b1")
        assert ask_often(lab.client, host, names, 20) == {"b2": 10, "b3": 10}
        assert all(one.is_alive() for one in held)
        balance.up("farm", "b1")
        assert ask_often(lab.client, host, names, 30) == {"b1": 10, "b2": 10, "b3": 10}


def test_drain_keeps_sticky_clients(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names], sticky="5m"))
    host = vip(version)
    [(name, _)] = ask_often(lab.client, host, names, 5).items()
    balance.drain("farm", name)
    assert ask_often(lab.client, host, names, 5) == {name: 5}
    balance.down("farm", name)
    assert name not in ask_often(lab.client, host, names, 5)


@pytest.mark.parametrize("word", [Balance.drain, Balance.down])
def test_ftp_goes_on(lab: Lab, balance: Balance, mode: str, version: int, word: Word) -> None:
    """Control sessions, their next data connections, and the transfers that run."""
    balance(farm(lab, "ftp", mode=mode))
    backend = lab.backends[0]
    with ExitStack() as opened:
        sessions = sessions_on(lab, backend, version, opened)
        transfers = transfers_on(lab, balance, backend, version, opened)
        word(balance, "farm", backend.name)
        assert [one.fetch() for one in sessions] == [backend.name] * 2
        wanted = sha256(lab.big)
        assert [transfer.finish() for transfer in transfers] == [wanted] * 2
        assert [sha256(upload) for upload in (backend.files / "upload").iterdir()] == [wanted]
        assert [one.fetch() for one in sessions] == [backend.name] * 2


@pytest.mark.parametrize("word", [Balance.drain, Balance.down])
def test_cut_ends_ftp(lab: Lab, balance: Balance, mode: str, version: int, word: Callable[..., None]) -> None:
    """Control sessions and transfers end at once; those of other backends do not notice."""
    balance(farm(lab, "ftp", mode=mode))
    backend, other = lab.backends[:2]
    with ExitStack() as opened:
        sessions = sessions_on(lab, backend, version, opened)
        others = sessions_on(lab, other, version, opened)
        transfers = transfers_on(lab, balance, backend, version, opened)
        word(balance, "farm", backend.name, cut=True)
        assert [line for line in flows(lab.balancer, version, "-p", "tcp") if backend.address(version) in line] == []
        assert [transfer.outcome() for transfer in transfers] == ["reset"] * 2
        assert not any(one.is_alive() for one in sessions)
        assert all(one.is_alive() for one in others)


def test_cut_ends_idle_connections(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names]))
    with ExitStack() as opened:
        held = [opened.enter_context(Asked(lab.client, vip(version), names)) for _ in range(6)]
        balance.down("farm", "b2", cut=True)
        assert {one.backend for one in held if not one.is_alive()} == {"b2"}


def test_stop_with_cut_ends_the_farm_alone(lab: Lab, balance: Balance, names: int, version: int) -> None:
    one = farm(lab, "tcp", name="one", ports=[names])
    balance(one + farm(lab, "tcp", name="other", ports=[names], vips=[vip(4, 1), vip(6, 1)]))
    with Asked(lab.client, vip(version), names) as gone, Asked(lab.client, vip(version, 1), names) as stays:
        balance.stop("one", cut=True)
        assert not gone.is_alive()
        assert stays.is_alive()


def sessions_on(lab: Lab, backend: Backend, version: int, opened: ExitStack) -> list[FtpSession]:
    """Opens a passive and an active control session on one backend."""
    found = []
    for passive in (True, False):
        while True:
            forget_ended(lab.balancer)
            session = FtpSession(lab.client, vip(version), Data.usual(version, passive=passive))
            opened.enter_context(session)
            if session.fetch() == backend.name:
                break
        found.append(session)
    return found


def transfers_on(lab: Lab, balance: Balance, backend: Backend, version: int, opened: ExitStack) -> list[Transfer]:
    """Starts a get and a put of 50 MB on one backend; neither ends before it is told to."""
    others = [one.name for one in lab.backends if one is not backend]
    for name in others:
        balance.drain("farm", name)
    forget_ended(lab.balancer)
    sessions = [opened.enter_context(FtpSession(lab.client, vip(version))) for _ in range(2)]
    upload = f"upload/{uuid4()}"
    transfers = [Transfer(sessions[0], lab.big), Transfer(sessions[1], lab.big, put=upload)]
    path = backend.files / upload
    until(lambda: path.exists() and path.stat().st_size > 1_000_000)
    for name in others:
        balance.up("farm", name)
    return transfers
