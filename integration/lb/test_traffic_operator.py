"""What the operator says: drain keeps flows, down keeps them too, --cut ends them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from uuid import uuid4

import pytest

from integration.clients import TIMED_OUT, Data, Errand, Target, Visit, curl_ftp, sha256
from integration.lab import Backend, Lab, vip
from integration.lab.names import Asked, ask_often
from integration.lab.sessions import FtpSession
from integration.lb.balance import Balance, flows, forget_ended
from integration.lb.farms import farm

pytestmark = pytest.mark.root

Word = Callable[[Balance, str, str], None]
RATE = "8M"


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
    with ThreadPoolExecutor() as pool, ExitStack() as opened:
        sessions = sessions_on(lab, backend, version, opened)
        transfers = transfers_on(lab, balance, backend, version, pool)
        word(balance, "farm", backend.name)
        assert [one.fetch() for one in sessions] == [backend.name] * 2
        wanted = sha256(lab.big)
        for transfer in transfers:
            visit = transfer.result()
            assert visit.code == 0, visit.output
        assert transfers[0].result().sha256["big"] == wanted
        assert [sha256(upload) for upload in (backend.files / "upload").iterdir()] == [wanted]
        assert [one.fetch() for one in sessions] == [backend.name] * 2


@pytest.mark.parametrize("word", [Balance.drain, Balance.down])
def test_cut_ends_ftp(lab: Lab, balance: Balance, mode: str, version: int, word: Callable[..., None]) -> None:
    """Control sessions and transfers end at once; those of other backends do not notice."""
    balance(farm(lab, "ftp", mode=mode))
    backend, other = lab.backends[:2]
    with ThreadPoolExecutor() as pool, ExitStack() as opened:
        sessions = sessions_on(lab, backend, version, opened)
        others = sessions_on(lab, other, version, opened)
        transfers = transfers_on(lab, balance, backend, version, pool)
        word(balance, "farm", backend.name, cut=True)
        assert [line for line in flows(lab.balancer, version, "-p", "tcp") if backend.address(version) in line] == []
        codes = [transfer.result().code for transfer in transfers]
        assert 0 not in codes
        assert TIMED_OUT not in codes, "they did not wait for a timeout"
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


def transfers_on(
    lab: Lab, balance: Balance, backend: Backend, version: int, pool: ThreadPoolExecutor
) -> list[Future[Visit]]:
    """Starts a get and a put of 50 MB on one backend, and returns when data flows; each takes six seconds."""
    others = [one.name for one in lab.backends if one is not backend]
    for name in others:
        balance.drain("farm", name)
    target = Target(host=vip(version), port=21, data=Data.EPSV)
    upload = f"upload/{uuid4()}"
    errands = [
        Errand(listing=False, get=("big",), rate=RATE),
        Errand(listing=False, get=(), put={upload: lab.big}, rate=RATE),
    ]
    transfers = [pool.submit(curl_ftp, lab.client, target, errand) for errand in errands]
    path = backend.files / upload
    while not (path.exists() and path.stat().st_size > 1_000_000):
        assert not any(transfer.done() for transfer in transfers)
        time.sleep(0.01)
    # The download has begun as early, but curl may have waited a second: see visits.
    while sum("ESTABLISHED" in line for line in flows(lab.balancer, version, "-p", "tcp")) < 4:
        assert not any(transfer.done() for transfer in transfers)
        time.sleep(0.02)
    for name in others:
        balance.up("farm", name)
    return transfers
