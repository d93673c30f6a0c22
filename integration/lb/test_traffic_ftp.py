"""FTP farms: every kind of data connection, every client program, every server program."""

from __future__ import annotations

import pytest

from integration.clients import Data, FtpClient, classic_ftp, curl_ftp, lftp
from integration.lab import Lab, vip
from integration.lb.balance import Balance
from integration.lb.farms import farm
from integration.lb.visits import ROUTES, visit_ftp

pytestmark = pytest.mark.root

OTHER_CLIENTS = [
    pytest.param(client, version, data, id=f"{client.__name__}-ipv{version}-{data.name}")
    for client in (lftp, classic_ftp)
    for version in (4, 6)
    for data in Data
    # lftp says PORT wherever it can.
    if (version == 4 or data.is_extended) and not (client is lftp and version == 4 and data is Data.EPRT)
]


@pytest.mark.parametrize(("version", "data"), ROUTES)
def test_list_get_and_put(lab: Lab, balance: Balance, mode: str, version: int, data: Data) -> None:
    """The article's set-ups: port 21 for passive mode, ports 20 and 21 for active mode."""
    balance(farm(lab, "ftp", mode=mode, ports=[21] if data.is_passive else [20, 21]))
    seen = [visit_ftp(lab, curl_ftp, vip(version), data) for _ in range(3)]
    assert sorted(seen) == ["b1", "b2", "b3"], "each server program had its turn"


@pytest.mark.parametrize(("client", "version", "data"), OTHER_CLIENTS)
def test_other_clients(lab: Lab, balance: Balance, mode: str, client: FtpClient, version: int, data: Data) -> None:
    balance(farm(lab, "ftp", mode=mode))
    seen = [visit_ftp(lab, client, vip(version), data) for _ in range(3)]
    assert sorted(seen) == ["b1", "b2", "b3"]
