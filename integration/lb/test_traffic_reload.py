"""Start, reload and stop while clients are busy: nothing breaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from integration.clients import Data, Errand, Target, Visit, classic_ftp, curl_ftp, sha256
from integration.lab import GATEWAY, Lab, vip
from integration.lab.names import Asked, ask, name_servers
from integration.lab.sessions import FtpSession
from integration.lb.balance import Balance
from integration.lb.farms import farm
from integration.lb.visits import visit_ftp

pytestmark = pytest.mark.root


@contextmanager
def busy(lab: Lab, host: str, seconds: float) -> Iterator[list[Future[Visit]]]:
    """Gets and puts 50 MB on each backend, for about so many seconds."""
    rate = f"{lab.big.stat().st_size / seconds:.0f}"
    with ThreadPoolExecutor(6) as pool:
        target = Target(host=host, port=21, data=Data.EPSV)
        transfers = []
        for number in range(3):
            put = {f"upload/{number}": lab.big}
            transfers += [
                pool.submit(curl_ftp, lab.client, target, Errand(listing=False, get=("name", "big"), rate=rate)),
                pool.submit(curl_ftp, lab.client, target, Errand(listing=False, get=("name",), put=put, rate=rate)),
            ]
        while sum(len(list((backend.files / "upload").iterdir())) for backend in lab.backends) < 3:
            assert not any(transfer.done() for transfer in transfers)
            time.sleep(0.01)
        yield transfers


def check(lab: Lab, transfers: list[Future[Visit]]) -> None:
    """Checks that all came through, whole."""
    wanted = sha256(lab.big)
    visits = [transfer.result() for transfer in transfers]
    assert [visit.code for visit in visits] == [0] * 6, "\n".join(visit.output for visit in visits)
    assert [visit.sha256["big"] for visit in visits[::2]] == [wanted] * 3
    uploads = [upload for backend in lab.backends for upload in (backend.files / "upload").iterdir()]
    assert [sha256(upload) for upload in uploads] == [wanted] * 3


def test_nothing_breaks(lab: Lab, balance: Balance, mode: str, version: int) -> None:
    host, other_vips = vip(version), [vip(4, 1), vip(6, 1)]
    text = farm(lab, "ftp", mode=mode)
    other = farm(lab, "ftp", name="other", mode=mode, vips=other_vips)
    start = time.monotonic()
    balance(text)
    # Longer than all the changes below, however slow the machine is.
    seconds = max(8.0, 25 * (time.monotonic() - start))
    passive = FtpSession(lab.client, host, Data.usual(version, passive=True))
    active = FtpSession(lab.client, host, Data.usual(version, passive=False))
    with passive, active, busy(lab, host, seconds) as transfers:
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
        assert not all(transfer.done() for transfer in transfers), "they were to last longer than the changes"
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
