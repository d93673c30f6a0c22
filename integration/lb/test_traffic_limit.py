"""The connection limit of a backend: exact, and for new connections alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from integration.clients import Data, curl_ftp
from integration.lab import Lab, vip
from integration.lab.names import Asked
from integration.lb.balance import Balance
from integration.lb.farms import farm
from integration.lb.visits import visit_ftp

pytestmark = pytest.mark.root

LIMIT = 5


@contextmanager
def many(lab: Lab, version: int, port: int, count: int) -> Iterator[list[Asked]]:
    """Keeps connections open."""
    with ExitStack() as opened:
        yield [opened.enter_context(Asked(lab.client, vip(version), port)) for _ in range(count)]


def test_limit_is_exact(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names], connection_limit=LIMIT))
    with many(lab, version, names, 3 * LIMIT) as held:
        assert Counter(one.backend for one in held) == {"b1": LIMIT, "b2": LIMIT, "b3": LIMIT}
        with many(lab, version, names, 10) as more:
            assert {one.backend for one in more} == {"refused"}
        assert all(one.is_alive() for one in held), "those that were there are not disturbed"
        freed = held[0].backend
        held[0].close()
        # The kernel looks for closed connections once a tick.
        time.sleep(0.5)
        # One round finds the free place, wherever the round begins.
        with many(lab, version, names, 3) as more:
            assert sorted(one.backend for one in more) == sorted([freed, "refused", "refused"])


def test_limit_is_of_each_farm(lab: Lab, balance: Balance, names: int) -> None:
    one = farm(lab, "tcp", name="one", ports=[names], vips=[vip(4)], connection_limit=LIMIT)
    balance(one + farm(lab, "tcp", name="other", ports=[names], vips=[vip(4, 1)]))
    with many(lab, 4, names, 3 * LIMIT), Asked(lab.client, vip(4, 1), names) as other:
        assert other.backend in {"b1", "b2", "b3"}


def test_sticky_client_is_refused_rather_than_moved(lab: Lab, balance: Balance, names: int, version: int) -> None:
    balance(farm(lab, "tcp", ports=[names], sticky="5m", connection_limit=LIMIT))
    with many(lab, version, names, LIMIT) as held:
        assert len({one.backend for one in held}) == 1
        with Asked(lab.client, vip(version), names) as more:
            assert more.backend == "refused"


@pytest.mark.parametrize("data", [Data.EPSV, Data.EPRT])
def test_data_connections_are_let_through(lab: Lab, balance: Balance, version: int, data: Data) -> None:
    """A session whose control connection has the last place can still have its files."""
    balance(farm(lab, "ftp", backends=[lab.backends[0]], connection_limit=1))
    assert visit_ftp(lab, curl_ftp, vip(version), data, file="small") == "b1"
