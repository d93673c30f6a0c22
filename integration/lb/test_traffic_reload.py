"""Start, reload and stop while clients are busy: nothing breaks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from integration.clients import Data, classic_ftp, sha256
from integration.lab import GATEWAY, Lab, vip
from integration.lab.names import Asked, ask, name_servers
from integration.lab.sessions import FtpSession, Transfer
from integration.lb.balance import Balance
from integration.lb.farms import farm
from integration.lb.visits import visit_ftp
from tests.support.waiting import until

pytestmark = pytest.mark.root


def busy(lab: Lab, host: str, opened: ExitStack) -> list[Transfer]:
    """Starts three gets and three puts of 50 MB, one of each on every backend."""
    transfers = []
    for number in range(6):
        session = opened.enter_context(FtpSession(lab.client, host))
        transfers.append(Transfer(session, lab.big, put=f"upload/{number}" if number >= 3 else ""))
    uploads = [backend.files / "upload" for backend in lab.backends]
    until(lambda: all(any(one.stat().st_size for one in upload.iterdir()) for upload in uploads))
    return transfers


def check(lab: Lab, transfers: list[Transfer]) -> None:
    """Checks that all came through, whole."""
    wanted = sha256(lab.big)
    assert [transfer.finish() for transfer in transfers] == [wanted] * 6
    uploads = [upload for backend in lab.backends for upload in (backend.files / "upload").iterdir()]
    assert [sha256(upload) for upload in uploads] == [wanted] * 3


def test_nothing_breaks(lab: Lab, balance: Balance, mode: str, version: int) -> None:
    host, other_vips = vip(version), [vip(4, 1), vip(6, 1)]
    text = farm(lab, "ftp", mode=mode)
    other = farm(lab, "ftp", name="other", mode=mode, vips=other_vips)
    balance(text)
    passive = FtpSession(lab.client, host, Data.usual(version, passive=True))
    active = FtpSession(lab.client, host, Data.usual(version, passive=False))
    with passive, active, ExitStack() as opened:
        transfers = busy(lab, host, opened)
        were = passive.fetch(), active.fetch()
        steps: list[Callable[[], None]] = [
            lambda: balance(text + other),
            lambda: balance(farm(lab, "ftp", mode=mode, of={"b1": {"weight": 7}}, scheduler="source-hash") + other),
            lambda: balance(farm(lab, "ftp", mode=mode, sticky="1m", connection_limit=50) + other),
            lambda: balance(farm(lab, "ftp", mode=mode, backends=[lab.backends[2]]) + other),
            lambda: balance.stop("other"),
            lambda: balance.stop("farm"),
            lambda: balance.stop(),
            lambda: balance.start(),
            lambda: balance(other),
        ]
        for step in steps:
            step()
            assert (passive.fetch(), active.fetch()) == were
        check(lab, transfers)
        assert (passive.fetch(), active.fetch()) == were


def test_start_leaves_others_alone(lab: Lab, balance: Balance, names: int, version: int) -> None:
    """Connections to the balancer itself, also to its VIP on ports that no farm has."""
    with name_servers([lab.balancer], 9000):
        hosts = (GATEWAY[version], vip(version))
        held = [Asked(lab.client, host, 9000) for host in hosts]
        try:
            balance(farm(lab, "tcp", ports=[names]))
            assert all(one.is_alive() for one in held)
            assert [ask(lab.client, host, 9000) for host in hosts] == ["balancer"] * 2
            balance.stop(cut=True)
            assert all(one.is_alive() for one in held)
        finally:
            for one in held:
                one.close()


@pytest.mark.parametrize("cut", [False, True], ids=["", "cut"])
def test_one_of_two_ftp_farms_is_stopped(lab: Lab, balance: Balance, mode: str, version: int, cut: bool) -> None:
    one = farm(lab, "ftp", name="one", mode=mode)
    balance(one + farm(lab, "ftp", name="other", mode=mode, vips=[vip(4, 1), vip(6, 1)]))
    with FtpSession(lab.client, vip(version, 1)) as session:
        balance.stop("one", cut=cut)
        assert ask(lab.client, vip(version), 21) == "refused"
        assert session.is_alive()
        for data in (Data.EPSV, Data.EPRT):
            visit_ftp(lab, classic_ftp, vip(version, 1), data, file="small")


def test_a_farm_that_is_removed(lab: Lab, balance: Balance, names: int, version: int) -> None:
    one = farm(lab, "tcp", name="one", ports=[names])
    other = farm(lab, "tcp", name="other", ports=[names], vips=[vip(4, 1), vip(6, 1)])
    balance(one + other)
    with Asked(lab.client, vip(version), names) as held:
        balance(other)
        assert held.is_alive()
        assert ask(lab.client, vip(version), names) == "refused", "nobody listens on the balancer"
        assert ask(lab.client, vip(version, 1), names) in {"b1", "b2", "b3"}
